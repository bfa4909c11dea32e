// The ready operations, as the server gives them: with ids that exist in its data.
import { useEffect, useState } from 'react'
import { DEFAULT_ACCOUNT, useServer } from '../server'
import type { Follow } from './follow'

export const PERSONAS = ['frontend', 'mobile', 'analyst', 'operator'] as const
export type Persona = (typeof PERSONAS)[number]

export interface Example {
  id: string
  persona: Persona
  title: string
  description: string
  query: string
  variables: Record<string, unknown>
  follow?: Follow
}

export type Loaded<T> = { state: 'loading' } | { state: 'failed'; why: string } | { state: 'ready'; value: T }

/** Asked for once a page; the panel that shows it may close and open again. */
let list: Promise<Example[]> | null = null

/** The list does not depend on the account: its ids are those of the server's default one. */
export function useExamples(): Loaded<Example[]> & { otherAccount: boolean } {
  const { account } = useServer()
  const [loaded, setLoaded] = useState<Loaded<Example[]>>({ state: 'loading' })
  useEffect(() => {
    let current = true
    list ??= fetchExamples()
    list
      .then((value) => current && setLoaded({ state: 'ready', value }))
      .catch((error: unknown) => {
        list = null
        if (current) setLoaded({ state: 'failed', why: String(error) })
      })
    return () => {
      current = false
    }
  }, [])
  return { ...loaded, otherAccount: account !== DEFAULT_ACCOUNT }
}

async function fetchExamples(): Promise<Example[]> {
  const response = await fetch('./playground/examples.json')
  if (!response.ok) throw new Error(`the server answered ${response.status}`)
  return (await response.json()) as Example[]
}
