// Links that carry an operation in the URL fragment. A fragment is never sent to a server, and an
// opened link only fills the editor: running it stays the reader's decision.
import { useGraphiQL } from '@graphiql/react'
import { useCallback, useState } from 'react'

export interface Shared {
  query: string
  variables: string
}

/** The operation in the fragment of `hash`, or null if there is none. */
export function readLink(hash: string): Shared | null {
  const parts = new URLSearchParams(hash.replace(/^#/, ''))
  const query = parts.get('query')
  return query ? { query, variables: parts.get('variables') ?? '' } : null
}

export function writeLink({ query, variables }: Shared): string {
  const parts = new URLSearchParams({ query })
  if (variables.trim() !== '') parts.set('variables', variables)
  const url = new URL(window.location.href)
  url.hash = parts.toString()
  return url.href
}

/** Copies a link to the current tab and puts it into the address bar; `copied` is for feedback. */
export function useShareLink(): { share: () => void; copied: boolean } {
  const queryEditor = useGraphiQL((state) => state.queryEditor)
  const variableEditor = useGraphiQL((state) => state.variableEditor)
  const [copied, setCopied] = useState(false)
  const share = useCallback(() => {
    const query = queryEditor?.getValue() ?? ''
    const link = writeLink({ query, variables: variableEditor?.getValue() ?? '' })
    window.history.replaceState(null, '', link)
    const done = () => {
      setCopied(true)
      setTimeout(() => setCopied(false), 2000)
    }
    // Without the permission to copy, the link is still in the address bar.
    navigator.clipboard.writeText(link).then(done, done)
  }, [queryEditor, variableEditor])
  return { share, copied }
}
