// Places the turns of a session for drawing, like a subway map that runs down the page: one row a
// turn, a lane for each time the path left the active child. The active path is lane 0. Iterative,
// because a conversation may be thousands of turns deep; O(n).

/** One turn of `session { outline }`. */
export interface OutlineNode {
  turnId: string
  parentId: string | null
  activeChildId: string | null
  role: 'HUMAN' | 'AGENT'
  depth: number
  label: string
  isOnActivePath: boolean
}

export interface PlacedTurn {
  node: OutlineNode
  row: number
  lane: number
  /** Row of the parent, or null for a root. */
  parentRow: number | null
  /** Row of the child that the path continues with, or null for a leaf. */
  nextRow: number | null
}

/**
 * Rows in drawing order: below a turn come its other versions, then the active one, so that the
 * active path runs on at the left edge. Turns whose parent is not in `nodes` are drawn as roots.
 */
export function layOut(nodes: OutlineNode[]): PlacedTurn[] {
  const byId = new Map(nodes.map((node) => [node.turnId, node]))
  const children = new Map<string | null, OutlineNode[]>()
  for (const node of nodes) {
    const parent = node.parentId !== null && byId.has(node.parentId) ? node.parentId : null
    const siblings = children.get(parent)
    if (siblings) siblings.push(node)
    else children.set(parent, [node])
  }

  const placed: PlacedTurn[] = []
  const stack: { node: OutlineNode; lane: number; parent: PlacedTurn | null; next: boolean }[] = []
  const push = (parent: PlacedTurn | null, lane: number) => {
    const those = children.get(parent?.node.turnId ?? null) ?? []
    const goesOn = (node: OutlineNode) =>
      parent ? node.turnId === parent.node.activeChildId : node.isOnActivePath
    const next = those.find(goesOn) ?? those.at(-1)
    const ordered = [...those.filter((node) => node !== next), ...(next ? [next] : [])]
    for (const node of ordered.reverse()) {
      stack.push({ node, lane: node === next ? lane : lane + 1, parent, next: node === next })
    }
  }
  push(null, 0)
  for (let top = stack.pop(); top; top = stack.pop()) {
    const { node, lane, parent, next } = top
    const turn: PlacedTurn = {
      node,
      row: placed.length,
      lane,
      parentRow: parent?.row ?? null,
      nextRow: null,
    }
    if (parent && next) parent.nextRow = turn.row
    placed.push(turn)
    push(turn, lane)
  }
  return placed
}
