// The one place that talks to the server: the endpoint, the account, and what the last request cost.
import type { Fetcher, FetcherParams } from '@graphiql/toolkit'
import { useSyncExternalStore } from 'react'
import { rememberAnswer } from './examples/follow'
import { CONSISTENCIES, type Consistency, type Told } from './freshness'

/** Relative to the page, so that the page also works below a path prefix. */
const ENDPOINT = new URL('./graphql', window.location.href).href
const ACCOUNT_KEY = 'turngraph:account'
const READING_KEY = 'turngraph:reading'
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
  /** Where the answer came from; null if the server did not say. */
  told: Told | null
  /** Whether it had to show the last write. */
  atLeast: boolean
}

/** How fresh answers must be. */
export interface Reading {
  consistency: Consistency
  /** Reads show at least the last write that was made here. */
  ownWrites: boolean
}

export interface ServerState {
  account: string
  lastRun: LastRun | null
  reading: Reading
  /** What the last write of this account reached; forgotten with the page. */
  revision: string | null
}

/** A GraphQL response as far as this page looks into it. */
export interface Answer {
  data?: Record<string, unknown> | null
  errors?: { message: string }[]
  extensions?: { turngraph?: Told }
}

let state: ServerState = {
  account: readAccount(),
  lastRun: null,
  reading: readReading(),
  revision: null,
}
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
  update({ account, lastRun: null, revision: null })
}

export function setReading(change: Partial<Reading>) {
  const reading = { ...state.reading, ...change }
  localStorage.setItem(READING_KEY, JSON.stringify(reading))
  update({ reading })
}

function readReading(): Reading {
  const reading: Reading = { consistency: 'EVENTUAL', ownWrites: true }
  try {
    const kept = JSON.parse(localStorage.getItem(READING_KEY) ?? '{}') as Partial<Reading>
    const known = CONSISTENCIES.find((name) => name === kept.consistency)
    return { consistency: known ?? reading.consistency, ownWrites: kept.ownWrites !== false }
  } catch {
    return reading
  }
}

/** The default is not sent, so that arguments in the document are all that there is. */
function readingHeaders(): Record<string, string> {
  const { reading, revision } = state
  return {
    ...(reading.consistency !== 'EVENTUAL' && { 'x-turngraph-consistency': reading.consistency }),
    ...(reading.ownWrites && revision && { 'x-turngraph-at-least': revision }),
  }
}

function readAccount(): string {
  return localStorage.getItem(ACCOUNT_KEY) ?? DEFAULT_ACCOUNT
}

/** Sends one operation. Throws an `Error` with a message for people if no GraphQL answer came. */
async function send(body: FetcherParams, headers: Record<string, string>) {
  const started = performance.now()
  const { account } = state
  const asked = { ...readingHeaders(), ...headers }
  const response = await fetch(ENDPOINT, {
    method: 'POST',
    headers: {
      accept: 'application/graphql-response+json, application/json;q=0.9',
      'content-type': 'application/json',
      ...(account && { 'x-turngraph-account': account }),
      ...asked,
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
    told: answer.extensions?.turngraph ?? null,
    atLeast: 'x-turngraph-at-least' in asked,
  }
  const revision = response.headers.get('x-turngraph-revision')
  if (revision && account === state.account) update({ revision })
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
