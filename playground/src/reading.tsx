// How fresh answers must be, and how fresh the last one was.
import { CONSISTENCIES, storesOf, type Consistency, type Told } from './freshness'
import { setReading, useServer } from './server'

const MEANING: Record<Consistency, string> = {
  EVENTUAL: 'From caches and projections where they can vouch for it; the answer says how old it is.',
  STRONG: "From the record store's primary, or an error.",
  ANALYTICS: 'From a replica, or a small pool of its own.',
}

/** Chooses how the page reads. */
export function ReadingControls() {
  const { reading, revision } = useServer()
  const writes = revision
    ? `Reads show at least your last write (${revision}).`
    : 'Reads show at least your last write, once you have made one.'
  return (
    <div className="tg-reading">
      <label title={MEANING[reading.consistency]}>
        <span className="tg-wide">Read</span>
        <select
          aria-label="Read"
          value={reading.consistency}
          onChange={(event) => setReading({ consistency: event.target.value as Consistency })}
        >
          {CONSISTENCIES.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label title={writes}>
        <input
          type="checkbox"
          checked={reading.ownWrites}
          onChange={(event) => setReading({ ownWrites: event.target.checked })}
        />
        My writes
      </label>
    </div>
  )
}

/** Where an answer came from, and how old it is. */
export function Freshness({ told, atLeast }: { told: Told; atLeast: boolean }) {
  const stores = storesOf(told)
  return (
    <div className="tg-status tg-freshness">
      <span title="How fresh the whole operation was asked to be">{told.consistency}</span>
      {stores.map(({ store, age, title, stale }) => (
        <span key={store} title={title} className="tg-store" data-store={store}>
          <b>{store}</b> {stale ? `stale, ${age}` : age}
        </span>
      ))}
      {told.cache !== 'NONE' && <span>cache {told.cache}</span>}
      {told.cost && (
        <span title={`Estimated ${told.cost.estimated} before it ran; at most ${told.cost.max} may be asked for`}>
          cost {told.cost.actual}
        </span>
      )}
      {atLeast && <span title="X-Turngraph-At-Least was sent">shows your writes</span>}
      {told.degraded && (
        <span className="tg-degraded" title={told.reason ?? undefined}>
          Degraded: {told.reason}
        </span>
      )}
    </div>
  )
}
