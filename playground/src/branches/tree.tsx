// The drawing: rails as one SVG, rows as focusable tree items over it.
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react'
import type { PlacedTurn } from './layout'

const ROW = 28
const LANE = 16
/** Deeper forks share the last lane's place, so that the labels stay readable. */
const LANES_MAX = 8

const x = (turn: PlacedTurn) => 14 + Math.min(turn.lane, LANES_MAX) * LANE
const y = (turn: PlacedTurn) => turn.row * ROW + ROW / 2

/** A rail from parent to child: straight in one lane, otherwise leaving the trunk just above. */
function rail(parent: PlacedTurn, child: PlacedTurn): string {
  const start = `M${x(parent)} ${y(parent)}`
  if (x(parent) === x(child)) return `${start}V${y(child)}`
  const turnAt = y(child) - ROW / 2
  return `${start}V${turnAt}Q${x(parent)} ${y(child)} ${x(child)} ${y(child)}`
}

interface Props {
  turns: PlacedTurn[]
  selected: string | null
  onSelect: (turn: PlacedTurn) => void
}

export function BranchTree({ turns, selected, onSelect }: Props) {
  const [focused, setFocused] = useState(0)
  const list = useRef<HTMLDivElement>(null)
  const rails = useMemo(
    () =>
      turns.flatMap((turn) => {
        const parent = turn.parentRow === null ? undefined : turns[turn.parentRow]
        return parent ? [{ d: rail(parent, turn), active: turn.active, key: turn.node.turnId }] : []
      }),
    [turns],
  )
  useEffect(() => setFocused((row) => Math.min(row, Math.max(turns.length - 1, 0))), [turns])

  const move = (row: number | null) => {
    if (row === null || row < 0 || row >= turns.length) return
    setFocused(row)
    list.current?.querySelector<HTMLElement>(`[data-row="${row}"]`)?.focus()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const turn = turns[focused]
    if (!turn) return
    const goTo: Record<string, () => void> = {
      ArrowUp: () => move(focused - 1),
      ArrowDown: () => move(focused + 1),
      ArrowLeft: () => move(turn.parentRow),
      ArrowRight: () => move(turn.nextRow),
      Home: () => move(0),
      End: () => move(turns.length - 1),
      Enter: () => onSelect(turn),
      ' ': () => onSelect(turn),
    }
    const act = goTo[event.key]
    if (!act) return
    event.preventDefault()
    act()
  }

  return (
    <div
      className="tg-tree"
      role="tree"
      aria-label="Turns of the conversation"
      ref={list}
      onKeyDown={onKeyDown}
    >
      <svg
        className="tg-rails"
        width={14 + (LANES_MAX + 1) * LANE}
        height={turns.length * ROW}
        aria-hidden="true"
      >
        {rails.map(({ d, active, key }) => !active && <path key={key} d={d} />)}
        {rails.map(({ d, active, key }) => active && <path key={key} d={d} className="active" />)}
        {turns.map((turn) => (
          <circle
            key={turn.node.turnId}
            cx={x(turn)}
            cy={y(turn)}
            r={turn.node.role === 'HUMAN' ? 4 : 5}
            className={`${turn.node.role.toLowerCase()}${turn.active ? ' active' : ''}`}
          />
        ))}
      </svg>
      {turns.map((turn) => (
        <div
          key={turn.node.turnId}
          className={`tg-turn${turn.active ? ' active' : ''}`}
          role="treeitem"
          data-row={turn.row}
          data-turn={turn.node.turnId}
          aria-level={turn.node.depth + 1}
          aria-selected={turn.node.turnId === selected}
          tabIndex={turn.row === focused ? 0 : -1}
          style={{ height: ROW, paddingLeft: x(turn) + 12 }}
          title={turn.node.label}
          onClick={() => {
            setFocused(turn.row)
            onSelect(turn)
          }}
          onFocus={() => setFocused(turn.row)}
        >
          <span className="tg-hidden">{turn.node.role === 'HUMAN' ? 'Prompt: ' : 'Answer: '}</span>
          {turn.node.label || (turn.node.role === 'HUMAN' ? 'prompt' : 'answer')}
        </div>
      ))}
    </div>
  )
}
