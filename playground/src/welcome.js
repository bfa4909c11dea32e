/** The first tab of a newcomer. It runs as it stands; scripts/check-examples.mjs checks it too. */
export const WELCOME = `# Welcome to turngraph.
#
# A conversation is a tree of turns: each
# edited prompt and each new answer is a
# branch, and one path is the active one.
#
# Press Run, or Ctrl-Enter. On the left:
#   Examples  operations with real ids
#   Branches  the tree, drawn
#   Docs      every type and field

query Welcome {
  viewer {
    uid
    sessions(first: 5) {
      nodes {
        id
        title
        turnCount
        branchCount
        lastActivityAt
      }
    }
  }
}
`
