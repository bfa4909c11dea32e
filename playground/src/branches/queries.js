// What the Branches panel asks the server. scripts/check-examples.mjs checks these documents too, which is
// why this file is plain JavaScript.

export const SESSIONS = `query BranchesPanelSessions {
  sessions(first: 50) {
    nodes { id title turnCount branchCount }
  }
}`

export const OUTLINE = `query BranchesPanelOutline($sessionId: ID!, $first: Int!, $after: String) {
  session(id: $sessionId) {
    id
    turnCount
    outline(first: $first, after: $after) {
      nodes { turnId parentId activeChildId role depth label isOnActivePath }
      pageInfo { hasNextPage endCursor }
    }
  }
}`

/** Beginnings of all turns: an outline has no content, so its answers are only named "agent". */
export const PREVIEWS = `query BranchesPanelPreviews($sessionId: ID!, $first: Int!) {
  session(id: $sessionId) {
    turns(first: $first) {
      nodes { id preview(maxChars: 80) }
    }
  }
}`

export const ACTIVATE = `mutation BranchesPanelActivate($turnId: ID!) {
  activateTurn(id: $turnId) {
    session { id }
    userErrors { message }
  }
}`

/** For the editor: one turn with everything around it. */
export const ONE_TURN = `query OneTurn($turnId: ID!) {
  turn(id: $turnId) {
    id
    role
    depth
    createdAt
    siblingIndex
    siblingCount
    childCount
    isOnActivePath
    ... on HumanTurn {
      prompt
    }
    ... on AgentTurn {
      liked
      text
      steps(first: 50) {
        nodes {
          idx
          type
          content
        }
      }
    }
  }
}`

/** For the editor: the path that leads through one turn. */
export const PATH_THROUGH = `query PathThrough($sessionId: ID!, $turnId: ID!) {
  session(id: $sessionId) {
    title
    path(through: $turnId, first: 100) {
      nodes {
        id
        role
        isOnActivePath
        ... on HumanTurn {
          prompt
        }
        ... on AgentTurn {
          text
        }
      }
    }
  }
}`
