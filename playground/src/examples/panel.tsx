// The Examples plugin: ready operations, grouped by who would ask them.
import type { GraphiQLPlugin } from '@graphiql/react'
import { useState } from 'react'
import { useOpenOperation } from '../editor'
import { ExamplesIcon } from '../icons'
import { followAnswers } from './follow'
import { PERSONAS, useExamples, type Example, type Persona } from './load'

const HEADINGS: Record<Persona, string> = {
  frontend: 'Frontend',
  mobile: 'Mobile',
  analyst: 'Analyst',
  operator: 'Operator',
}

function ExamplesPanel() {
  const examples = useExamples()
  const open = useOpenOperation()
  const [chosen, setChosen] = useState<string | null>(null)

  const choose = (example: Example) => {
    setChosen(example.id)
    open(example.query, followAnswers(example.variables, example.follow ?? {}))
  }

  return (
    <section className="tg-panel" aria-label="Examples">
      <h2>Examples</h2>
      <p className="tg-lead">Choose one, then press Run. The ids in the variables are real.</p>
      {examples.otherAccount && (
        <p className="tg-note">
          The ids belong to the server's default account; this one gets null for them.
        </p>
      )}
      {examples.state === 'failed' && (
        <p className="tg-problem">The examples did not load: {examples.why}</p>
      )}
      {examples.state === 'ready' && examples.value.length === 0 && (
        <p className="tg-note">This server offers none.</p>
      )}
      {examples.state === 'ready' &&
        PERSONAS.map((persona) => (
          <ExampleGroup
            key={persona}
            persona={persona}
            examples={examples.value.filter((example) => example.persona === persona)}
            chosen={chosen}
            onChoose={choose}
          />
        ))}
    </section>
  )
}

interface GroupProps {
  persona: Persona
  examples: Example[]
  chosen: string | null
  onChoose: (example: Example) => void
}

function ExampleGroup({ persona, examples, chosen, onChoose }: GroupProps) {
  if (examples.length === 0) return null
  return (
    <>
      <h3>{HEADINGS[persona]}</h3>
      <ul className="tg-examples">
        {examples.map((example) => (
          <li key={example.id}>
            <button
              type="button"
              data-example={example.id}
              aria-current={example.id === chosen}
              onClick={() => onChoose(example)}
            >
              <span className="tg-title">
                {example.title}
                {example.query.startsWith('mutation') && <span className="tg-tag">writes</span>}
              </span>
              <span className="tg-description">{example.description}</span>
            </button>
          </li>
        ))}
      </ul>
    </>
  )
}

export const EXAMPLES_PLUGIN: GraphiQLPlugin = {
  title: 'Examples',
  icon: ExamplesIcon,
  content: ExamplesPanel,
}
