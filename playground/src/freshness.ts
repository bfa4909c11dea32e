// What `extensions.turngraph` says of an answer, in words for the status line. Knows no page.

/** As the server writes it. */
export interface Told {
  consistency: string
  reads: {
    path: string[]
    source: string
    lagMs: number | null
    asOf: string | null
    stale: boolean
  }[]
  cache: string
  /** One unit is about one object of the answer; not of operations that did not run. */
  cost?: { estimated: number; actual: number; max: number }
  degraded: boolean
  reason: string | null
}

/** What came from one store. */
export interface StoreFact {
  store: string
  /** Age of its oldest part. */
  age: string
  /** The same in full, with the fields that it gave. */
  title: string
  /** A cache entry past its age, that is being read anew. */
  stale: boolean
}

export const CONSISTENCIES = ['EVENTUAL', 'STRONG', 'ANALYTICS'] as const
export type Consistency = (typeof CONSISTENCIES)[number]

/** The stores that an answer came from, in the order in which its fields name them. */
export function storesOf(told: Told): StoreFact[] {
  const stores = new Map<string, Told['reads']>()
  for (const read of told.reads) {
    stores.set(read.source, [...(stores.get(read.source) ?? []), read])
  }
  return [...stores].map(([store, reads]) => {
    const oldest = reads.reduce((a, b) => (older(a, b) ? a : b))
    const fields = [...new Set(reads.map((read) => read.path.join('.')))].join(', ')
    const asOf = oldest.asOf ?? 'a time that is not known'
    return {
      store,
      age: ageOf(oldest.lagMs),
      title: `${fields}: from ${store}, which shows everything committed until ${asOf}`,
      stale: reads.some((read) => read.stale),
    }
  })
}

/** Nothing is older than what nobody knows the age of. */
function older(a: Told['reads'][number], b: Told['reads'][number]): boolean {
  return (a.lagMs ?? Infinity) >= (b.lagMs ?? Infinity)
}

export function ageOf(lagMs: number | null): string {
  if (lagMs === null) return 'age unknown'
  if (lagMs === 0) return 'current'
  if (lagMs < 1000) return `${lagMs} ms behind`
  if (lagMs < 60_000) return `${(lagMs / 1000).toFixed(1)} s behind`
  if (lagMs < 3_600_000) return `${Math.round(lagMs / 60_000)} min behind`
  return `${(lagMs / 3_600_000).toFixed(1)} h behind`
}
