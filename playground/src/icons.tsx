// Drawn in the stroke style of GraphiQL's own icons; the sidebar gives size and colour.

const line = {
  fill: 'none',
  stroke: 'currentColor',
  strokeWidth: 1.6,
  strokeLinecap: 'round',
  strokeLinejoin: 'round',
} as const

/** A trunk with one branch. */
export function BranchIcon() {
  return (
    <svg viewBox="0 0 24 24" width="1em" height="1em" aria-hidden="true" {...line}>
      <circle cx="8" cy="5" r="2.4" />
      <circle cx="8" cy="19" r="2.4" />
      <circle cx="17" cy="16" r="2.4" />
      <path d="M8 7.4v9.2M8 9c0 4.6 9 1.2 9 4.6" />
    </svg>
  )
}

/** A list with a run mark: ready operations. */
export function ExamplesIcon() {
  return (
    <svg viewBox="0 0 24 24" width="1em" height="1em" aria-hidden="true" {...line}>
      <path d="M4 5.5l4 2.5-4 2.5zM12 8h8M4 15h16M4 19h11" />
    </svg>
  )
}

export function LinkIcon() {
  return (
    <svg
      viewBox="0 0 24 24"
      className="graphiql-toolbar-icon"
      aria-hidden="true"
      {...line}
      strokeWidth={2}
    >
      <path d="M10 14a4 4 0 0 0 5.7 0l3.3-3.3a4 4 0 0 0-5.7-5.7l-1.2 1.2" />
      <path d="M14 10a4 4 0 0 0-5.7 0L5 13.3a4 4 0 0 0 5.7 5.7l1.2-1.2" />
    </svg>
  )
}
