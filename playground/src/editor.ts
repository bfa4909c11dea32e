// Puts an operation into the editor without losing what the user wrote.
import { useGraphiQL, useGraphiQLActions } from '@graphiql/react'
import { Kind, parse, type OperationDefinitionNode } from 'graphql'
import { useCallback } from 'react'
import { WELCOME } from './welcome'

/** Texts that this page put into an editor: a tab that still holds one may be reused. */
const ours = new Set<string>(['', key(WELCOME, {})])

function key(query: string, variables: Record<string, unknown>): string {
  return query.trim() === '' ? '' : `${query.trim()}\n${JSON.stringify(variables)}`
}

/** Variables as the user sees them: an empty object is an empty editor. */
function show(variables: Record<string, unknown>): string {
  return Object.keys(variables).length === 0 ? '' : JSON.stringify(variables, null, 2)
}

/** Whether the editors hold nothing that the user changed. */
function isUntouched(query: string, variables: string): boolean {
  try {
    const parsed = variables.trim() === '' ? {} : (JSON.parse(variables) as Record<string, unknown>)
    return ours.has(key(query, parsed))
  } catch {
    return false
  }
}

export type OpenOperation = (query: string, variables: Record<string, unknown>) => void

/** Opens an operation in the current tab if that tab is untouched, otherwise in a new one. */
export function useOpenOperation(): OpenOperation {
  const actions = useGraphiQLActions()
  const queryEditor = useGraphiQL((state) => state.queryEditor)
  const variableEditor = useGraphiQL((state) => state.variableEditor)
  const responseEditor = useGraphiQL((state) => state.responseEditor)
  return useCallback(
    (query, variables) => {
      if (!queryEditor || !variableEditor) return
      actions.stop()
      if (isUntouched(queryEditor.getValue(), variableEditor.getValue())) {
        responseEditor?.setValue('')
        actions.updateActiveTabValues({ response: null })
      } else {
        actions.addTab()
      }
      ours.add(key(query, variables))
      queryEditor.setValue(query)
      variableEditor.setValue(show(variables))
      // The editor tells the store only after a pause; Run must not see the old operation's name.
      const documentAST = parse(query)
      const operations = documentAST.definitions.filter(
        (definition): definition is OperationDefinitionNode =>
          definition.kind === Kind.OPERATION_DEFINITION,
      )
      const operationName = operations[0]?.name?.value
      actions.setOperationFacts({ documentAST, operationName, operations })
      actions.updateActiveTabValues({
        query,
        variables: show(variables),
        operationName: operationName ?? null,
      })
      queryEditor.setScrollTop(0)
      queryEditor.focus()
    },
    [actions, queryEditor, variableEditor, responseEditor],
  )
}
