// The drawing: rails as one SVG, rows as focusable tree items over it.
import { memo, useRef, useState, type KeyboardEvent } from 'react'
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

/** Two thousand rows must not be drawn anew for each press of a key: rails and rows are memoised. */
const Rails = memo(function Rails({ turns }: { turns: PlacedTurn[] }) {
  const rails = turns.flatMap((turn) => {
    const parent = turn.parentRow === null ? undefined : turns[turn.parentRow]
    return parent ? [{ d: rail(parent, turn), turn }] : []
  })
  const [active, others] = [true, false].map((on) =>
    rails.filter(({ turn }) => turn.node.isOnActivePath === on),
  ) as [typeof rails, typeof rails]
  return (
    <svg
      className="tg-rails"
      width={14 + (LANES_MAX + 1) * LANE}
      height={turns.length * ROW}
      aria-hidden="true"
    >
      <path d={others.map(({ d }) => d).join('')} />
      <path d={active.map(({ d }) => d).join('')} className="active" />
      {turns.map((turn) => (
        <circle
          key={turn.node.turnId}
          cx={x(turn)}
          cy={y(turn)}
          r={turn.node.role === 'HUMAN' ? 4 : 5}
          className={`${turn.node.role.toLowerCase()}${turn.node.isOnActivePath ? ' active' : ''}`}
        />
      ))}
    </svg>
  )
})

interface RowProps {
  turn: PlacedTurn
  isFocused: boolean
  isSelected: boolean
  onSelect: (turn: PlacedTurn) => void
  onFocus: (row: number) => void
}

const Row = memo(function Row({ turn, isFocused, isSelected, onSelect, onFocus }: RowProps) {
  const { turnId, role, depth, label, isOnActivePath } = turn.node
  const speaker = role === 'HUMAN' ? 'Prompt' : 'Answer'
  return (
    <div
      className={`tg-turn${isOnActivePath ? ' active' : ''}`}
      role="treeitem"
      data-row={turn.row}
      data-turn={turnId}
      aria-level={depth + 1}
      aria-selected={isSelected}
      tabIndex={isFocused ? 0 : -1}
      style={{ height: ROW, paddingLeft: x(turn) + 12 }}
      title={label}
      onClick={() => onSelect(turn)}
      onFocus={() => onFocus(turn.row)}
    >
      <span className="tg-hidden">{speaker}: </span>
      {label || speaker}
    </div>
  )
})

interface Props {
  turns: PlacedTurn[]
  selected: string | null
  /** Must not change from one drawing to the next. */
  onSelect: (turn: PlacedTurn) => void
}

export function BranchTree({ turns, selected, onSelect }: Props) {
  const [row, setRow] = useState(0)
  const list = useRef<HTMLDivElement>(null)
  /** A tree that was loaded anew may be shorter. */
  const focused = Math.min(row, Math.max(turns.length - 1, 0))

  const move = (to: number | null) => {
    if (to === null || to < 0 || to >= turns.length) return
    setRow(to)
    list.current?.querySelector<HTMLElement>(`[data-row="${to}"]`)?.focus()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const turn = turns[focused]
    if (!turn) return
    const actions: Record<string, () => void> = {
      ArrowUp: () => move(focused - 1),
      ArrowDown: () => move(focused + 1),
      ArrowLeft: () => move(turn.parentRow),
      ArrowRight: () => move(turn.nextRow),
      Home: () => move(0),
      End: () => move(turns.length - 1),
      Enter: () => onSelect(turn),
      ' ': () => onSelect(turn),
    }
    const act = actions[event.key]
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
      <Rails turns={turns} />
      {turns.map((turn) => (
        <Row
          key={turn.node.turnId}
          turn={turn}
          isFocused={turn.row === focused}
          isSelected={turn.node.turnId === selected}
          onSelect={onSelect}
          onFocus={setRow}
        />
      ))}
    </div>
  )
}
