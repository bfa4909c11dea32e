// The page: GraphiQL with our panels, the account field, a share button and a status line.
import { HISTORY_PLUGIN } from '@graphiql/plugin-history'
import { DOC_EXPLORER_PLUGIN } from '@graphiql/plugin-doc-explorer'
import { ToolbarButton, useGraphiQL, useGraphiQLActions } from '@graphiql/react'
import { GraphiQL } from 'graphiql'
import { useEffect, useState, type FormEvent } from 'react'
import { BRANCHES_PLUGIN } from './branches/panel'
import { forgetAnswers } from './examples/follow'
import { EXAMPLES_PLUGIN } from './examples/panel'
import { LinkIcon } from './icons'
import { readLink, useShareLink } from './link'
import { Freshness, ReadingControls } from './reading'
import { fetcher, setAccount, useServer, type LastRun } from './server'
import { WELCOME } from './welcome'

/** GraphiQL puts the documentation first. */
const PLUGINS = [EXAMPLES_PLUGIN, BRANCHES_PLUGIN, HISTORY_PLUGIN]
const shared = readLink(window.location.hash)
/** Whoever closed the panel finds it closed; a newcomer finds the examples. */
const isFirstVisit = localStorage.getItem('graphiql:visiblePlugin') === null

export function App() {
  return (
    <GraphiQL
      fetcher={fetcher}
      plugins={PLUGINS}
      referencePlugin={DOC_EXPLORER_PLUGIN}
      visiblePlugin={isFirstVisit ? EXAMPLES_PLUGIN : undefined}
      defaultTabs={[shared ?? { query: WELCOME }]}
      initialQuery={shared?.query}
      initialVariables={shared?.variables}
      defaultEditorToolsVisibility="variables"
      shouldPersistHeaders={false}
    >
      <GraphiQL.Logo>
        <Brand />
      </GraphiQL.Logo>
      <GraphiQL.Toolbar>
        {({ prettify, copy, merge }) => (
          <>
            {prettify}
            {merge}
            {copy}
            <ShareButton />
          </>
        )}
      </GraphiQL.Toolbar>
      <GraphiQL.Footer>
        <StatusLine />
      </GraphiQL.Footer>
      <FollowSystemTheme />
      <FitEditors />
    </GraphiQL>
  )
}

function Brand() {
  return (
    <div className="tg-brand">
      <ReadingControls />
      <AccountField />
      <span className="tg-name">
        <img src="./favicon.svg" alt="" width="20" height="20" />
        <span className="tg-wide">turngraph</span>
      </span>
    </div>
  )
}

function AccountField() {
  const { account } = useServer()
  const [text, setText] = useState(account)
  const commit = () => {
    const next = text.trim()
    setText(next)
    if (next === account) return
    forgetAnswers()
    setAccount(next)
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    commit()
  }
  return (
    <form className="tg-account" onSubmit={submit}>
      <label>
        <span className="tg-wide">Account</span>
        <input
          aria-label="Account"
          value={text}
          size={10}
          placeholder="default"
          spellCheck={false}
          autoComplete="off"
          onChange={(event) => setText(event.target.value)}
          onBlur={commit}
        />
      </label>
    </form>
  )
}

function ShareButton() {
  const { share, copied } = useShareLink()
  return (
    <ToolbarButton
      label={copied ? 'Link copied' : 'Copy a link to this operation'}
      onClick={share}
    >
      <LinkIcon />
    </ToolbarButton>
  )
}

function StatusLine() {
  const { lastRun } = useServer()
  return (
    <div role="status">
      <div className="tg-status">
        {lastRun ? <RunFacts run={lastRun} /> : <span>Press Run, or Ctrl-Enter.</span>}
        <a href="./licenses.md" target="_blank" rel="noreferrer">
          Licences
        </a>
      </div>
      {lastRun?.told && <Freshness told={lastRun.told} atLeast={lastRun.atLeast} />}
    </div>
  )
}

function RunFacts({ run }: { run: LastRun }) {
  const failed = run.errors > 0 || run.status >= 400
  return (
    <>
      <span className={failed ? 'tg-bad' : 'tg-good'}>
        {run.errors > 0 ? `${run.errors} ${run.errors === 1 ? 'error' : 'errors'}` : 'OK'}
      </span>
      <span>HTTP {run.status}</span>
      <span>{run.ms < 10 ? run.ms.toFixed(1) : Math.round(run.ms)} ms</span>
      <span>{run.bytes < 10_000 ? `${run.bytes} B` : `${(run.bytes / 1000).toFixed(1)} kB`}</span>
      {run.requestId && (
        <span className="tg-request" title="By this id the server's log names the request.">
          {run.requestId}
        </span>
      )}
    </>
  )
}

/** GraphiQL's styles follow the system by themselves; its editors need to be told. */
function FollowSystemTheme() {
  const theme = useGraphiQL((state) => state.theme)
  const { setTheme } = useGraphiQLActions()
  useEffect(() => {
    if (theme !== null) return
    const system = window.matchMedia('(prefers-color-scheme: dark)')
    const follow = () => setTheme(null)
    system.addEventListener('change', follow)
    return () => system.removeEventListener('change', follow)
  }, [theme, setTheme])
  return null
}

/** Smaller type and wrapped lines: three columns share the width. */
function FitEditors() {
  const queryEditor = useGraphiQL((state) => state.queryEditor)
  const variableEditor = useGraphiQL((state) => state.variableEditor)
  const responseEditor = useGraphiQL((state) => state.responseEditor)
  useEffect(() => {
    for (const editor of [queryEditor, variableEditor, responseEditor]) {
      editor?.updateOptions({ fontSize: 13, wordWrap: 'on' })
    }
  }, [queryEditor, variableEditor, responseEditor])
  return null
}
