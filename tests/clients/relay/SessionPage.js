// What a Relay app asks for: a connection, fragments, an interface with its types.
import { graphql } from 'relay-runtime'

export const fragment = graphql`
  fragment SessionPage_session on Session
  @argumentDefinitions(last: { type: "Int!", defaultValue: 20 }, before: { type: "String" }) {
    id
    title
    activePath(last: $last, before: $before) @connection(key: "SessionPage_activePath") {
      edges {
        node {
          id
          __typename
          ... on HumanTurn { prompt }
          ... on AgentTurn { text liked }
        }
      }
    }
  }
`

export const query = graphql`
  query SessionPageQuery($id: ID!) {
    node(id: $id) { ...SessionPage_session @alias(as: "session") }
  }
`

export const sessions = graphql`
  query SessionPageListQuery {
    sessions(first: 1) { edges { node { id title } } }
  }
`

export const rate = graphql`
  mutation SessionPageRateMutation($id: ID!, $liked: Boolean) {
    rateAgentTurn(id: $id, liked: $liked) { agentTurn { id liked } userErrors { code message } }
  }
`
