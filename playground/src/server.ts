// The one place that talks to the server: the endpoint, the account, and what the last request cost.
import type { Fetcher, FetcherParams } from '@graphiql/toolkit'
import { useSyncExternalStore } from 'react'
import { rememberAnswer } from './examples/follow'

/** Relative to the page, so that the page also works below a path prefix. */
const ENDPOINT = new URL('./graphql', window.location.href).href
const ACCOUNT_KEY = 'turngraph:account'
/** Without a name no header is sent, and the server takes its own default. */
export const DEFAULT_ACCOUNT = ''

/** What the status line shows: of requests that the user made, not of introspection. */
export interface LastRun {
  status: number
  ms: number
  bytes: number
  errors: number
  /** By which the server's log names the request; null if a proxy took it away. */
  requestId: string | null
}

export interface ServerState {
  account: string
  lastRun: LastRun | null
}

/** A GraphQL response as far as this page looks into it. */
export interface Answer {
  data?: Record<string, unknown> | null
  errors?: { message: string }[]
}

let state: ServerState = { account: readAccount(), lastRun: null }
const listeners = new Set<() => void>()

function update(change: Partial<ServerState>) {
  state = { ...state, ...change }
  for (const listener of listeners) listener()
}

export function useServer(): ServerState {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => state,
  )
}

export function setAccount(account: string) {
  localStorage.setItem(ACCOUNT_KEY, account)
  update({ account, lastRun: null })
}

function readAccount(): string {
  return localStorage.getItem(ACCOUNT_KEY) ?? DEFAULT_ACCOUNT
}

/** Sends one operation. Throws an `Error` with a message for people if no GraphQL answer came. */
async function send(body: FetcherParams, headers: Record<string, string>) {
  const started = performance.now()
  const response = await fetch(ENDPOINT, {
    method: 'POST',
    headers: {
      accept: 'application/graphql-response+json, application/json;q=0.9',
      'content-type': 'application/json',
      ...(state.account && { 'x-turngraph-account': state.account }),
      ...headers,
    },
    body: JSON.stringify(body),
  }).catch((error: unknown) => {
    throw new Error(`No answer from ${ENDPOINT}: is the server running? (${String(error)})`)
  })
  const text = await response.text()
  const ms = performance.now() - started
  let answer: Answer
  try {
    answer = JSON.parse(text) as Answer
  } catch {
    throw new Error(`HTTP ${response.status}, and not JSON: ${text.slice(0, 500)}`)
  }
  const run: LastRun = {
    status: response.status,
    ms,
    bytes: new TextEncoder().encode(text).length,
    errors: answer.errors?.length ?? 0,
    requestId: response.headers.get('x-request-id'),
  }
  return { answer, run }
}

/** For GraphiQL: what the editor runs. */
export const fetcher: Fetcher = async (params, options) => {
  const { answer, run } = await send(params, (options?.headers ?? {}) as Record<string, string>)
  if (params.operationName !== 'IntrospectionQuery') {
    rememberAnswer(answer.data)
    update({ lastRun: run })
  }
  return answer as Awaited<ReturnType<Fetcher>>
}

/** For the panels: the data of one operation, or an `Error` with the first message. */
export async function ask<T>(query: string, variables: Record<string, unknown> = {}): Promise<T> {
  const { answer } = await send({ query, variables }, {})
  const first = answer.errors?.[0]
  if (first) throw new Error(first.message)
  if (!answer.data) throw new Error('The server answered without data.')
  return answer.data as T
}
