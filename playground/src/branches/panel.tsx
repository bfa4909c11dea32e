// The Branches plugin: choose a conversation, see its tree, open or activate a turn.
import type { GraphiQLPlugin } from '@graphiql/react'
import { useCallback, useEffect, useState } from 'react'
import { useOpenOperation } from '../editor'
import { BranchIcon } from '../icons'
import { ask, useServer } from '../server'
import { layOut, type OutlineNode, type PlacedTurn } from './layout'
import { ACTIVATE, ONE_TURN, OUTLINE, PATH_THROUGH, PREVIEWS, SESSIONS } from './queries'
import { BranchTree } from './tree'

const PAGE = 500
/** More rows than this help nobody, and the page would get slow. */
const TURNS_MAX = 2000
/** Up to here the beginnings of all turns are worth loading. */
const PREVIEWS_MAX = 500

interface SessionRow {
  id: string
  title: string | null
  turnCount: number
  branchCount: number
}

interface OutlinePage {
  session: {
    turnCount: number
    outline: {
      nodes: OutlineNode[]
      pageInfo: { hasNextPage: boolean; endCursor: string | null }
    } | null
  } | null
}

interface Drawn {
  turns: PlacedTurn[]
  total: number
}

async function fetchOutline(sessionId: string): Promise<Drawn> {
  const nodes: OutlineNode[] = []
  let after: string | null = null
  for (;;) {
    const page: OutlinePage = await ask<OutlinePage>(OUTLINE, { sessionId, first: PAGE, after })
    if (!page.session) throw new Error('This account has no such conversation.')
    nodes.push(...(page.session.outline?.nodes ?? []))
    const info = page.session.outline?.pageInfo
    if (!info?.hasNextPage || nodes.length >= TURNS_MAX) {
      if (nodes.length <= PREVIEWS_MAX) await addPreviews(sessionId, nodes)
      const turns = layOut(nodes)
      return { turns, total: page.session.turnCount }
    }
    after = info.endCursor
  }
}

async function addPreviews(sessionId: string, nodes: OutlineNode[]): Promise<void> {
  type Page = { session: { turns: { nodes: { id: string; preview: string }[] } | null } | null }
  const { session } = await ask<Page>(PREVIEWS, { sessionId, first: PREVIEWS_MAX })
  const byId = new Map(session?.turns?.nodes.map(({ id, preview }) => [id, preview]))
  for (const node of nodes) node.label = byId.get(node.turnId) || node.label
}

async function activate(turnId: string): Promise<void> {
  type Payload = { activateTurn: { userErrors: { message: string }[] } }
  const { activateTurn } = await ask<Payload>(ACTIVATE, { turnId })
  const refused = activateTurn.userErrors[0]
  if (refused) throw new Error(refused.message)
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

function useSessions(account: string) {
  const [sessions, setSessions] = useState<SessionRow[] | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  useEffect(() => {
    let current = true
    setSessions(null)
    setProblem(null)
    ask<{ sessions: { nodes: SessionRow[] } | null }>(SESSIONS)
      .then((data) => current && setSessions(data.sessions?.nodes ?? []))
      .catch((error: unknown) => current && setProblem(messageOf(error)))
    return () => {
      current = false
    }
  }, [account])
  return { sessions, problem }
}

function BranchesPanel() {
  const { account } = useServer()
  const { sessions, problem } = useSessions(account)
  const [chosen, setChosen] = useState<string | null>(null)
  const sessionId =
    sessions?.find((row) => row.id === chosen)?.id ?? mostBranched(sessions ?? [])?.id ?? null

  return (
    <section className="tg-panel tg-branches" aria-label="Branches">
      <h2>Branches</h2>
      <p className="tg-lead">
        Every turn of a conversation. The active path runs down the left edge; other versions branch
        off to the right.
      </p>
      {problem && <p className="tg-problem">{problem}</p>}
      {sessions?.length === 0 && (
        <p className="tg-note">{account ? `The account ${account}` : 'This account'} has no conversations yet.</p>
      )}
      {sessions && sessions.length > 0 && (
        <label className="tg-field">
          Conversation
          <select value={sessionId ?? ''} onChange={(event) => setChosen(event.target.value)}>
            {sessions.map((row) => (
              <option key={row.id} value={row.id}>
                {row.title ?? 'Untitled'} ({row.turnCount} turns, {row.branchCount} branches)
              </option>
            ))}
          </select>
        </label>
      )}
      {sessionId && <SessionTree key={sessionId} sessionId={sessionId} />}
    </section>
  )
}

/** What is worth looking at first. */
function mostBranched(sessions: SessionRow[]): SessionRow | undefined {
  return sessions.reduce<SessionRow | undefined>(
    (best, row) => (best && best.branchCount >= row.branchCount ? best : row),
    undefined,
  )
}

function SessionTree({ sessionId }: { sessionId: string }) {
  const [drawn, setDrawn] = useState<Drawn | null>(null)
  const [selected, setSelected] = useState<PlacedTurn | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const open = useOpenOperation()

  const reload = useCallback(async () => {
    try {
      setDrawn(await fetchOutline(sessionId))
      setProblem(null)
    } catch (error) {
      setProblem(messageOf(error))
    }
  }, [sessionId])
  useEffect(() => void reload(), [reload])

  const turn = drawn?.turns.find((it) => it.node.turnId === selected?.node.turnId) ?? null
  const turnId = turn?.node.turnId
  const makeActive = async () => {
    if (!turnId) return
    try {
      await activate(turnId)
      await reload()
    } catch (error) {
      setProblem(messageOf(error))
    }
  }

  return (
    <>
      {problem && <p className="tg-problem">{problem}</p>}
      {drawn && drawn.turns.length < drawn.total && (
        <p className="tg-note">
          The first {drawn.turns.length} of {drawn.total} turns.
        </p>
      )}
      {drawn && (
        <BranchTree turns={drawn.turns} selected={turnId ?? null} onSelect={setSelected} />
      )}
      <div className="tg-actions">
        {turn ? (
          <>
            <p>{turn.node.label}</p>
            <button type="button" onClick={() => open(ONE_TURN, { turnId })}>
              Open turn
            </button>
            <button type="button" onClick={() => open(PATH_THROUGH, { sessionId, turnId })}>
              Path through it
            </button>
            <button type="button" disabled={turn.node.isOnActivePath} onClick={() => void makeActive()}>
              {turn.node.isOnActivePath ? 'On the active path' : 'Make active'}
            </button>
          </>
        ) : (
          <p className="tg-note">Choose a turn. Arrow keys move, Enter chooses.</p>
        )}
        <button type="button" onClick={() => void reload()}>
          Reload
        </button>
      </div>
    </>
  )
}

export const BRANCHES_PLUGIN: GraphiQLPlugin = {
  title: 'Branches',
  icon: BranchIcon,
  content: BranchesPanel,
}
