/** Enough of Python's tokens to colour source text. Pure. */

export type TokenKind =
  'keyword' | 'text' | 'comment' | 'number' | 'name' | 'definition' | 'plain'
export interface Token {
  readonly kind: TokenKind
  readonly text: string
}

const KEYWORDS = new Set(
  (
    'False None True and as assert async await break class continue def del elif ' +
    'else except finally for from global if import in is lambda nonlocal not or pass ' +
    'raise return try while with yield match case self cls'
  ).split(' '),
)
const PATTERN = new RegExp(
  [
    /(#[^\n]*)/,
    new RegExp(
      '([rbfuRBFU]{0,2}(?:' +
        [
          /"""[\s\S]*?(?:"""|$)/,
          /'''[\s\S]*?(?:'''|$)/,
          /"(?:\\.|[^"\\\n])*"?/,
          /'(?:\\.|[^'\\\n])*'?/,
        ]
          .map((part) => part.source)
          .join('|') +
        '))',
    ),
    /(\b\d[\w.]*)/,
    /([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)/,
    /(\s+|.)/,
  ]
    .map((part) => part.source)
    .join('|'),
  'gy',
)

/** Tokens by line; a text over several lines is split. */
export function tokenLines(source: string): Token[][] {
  const lines: Token[][] = [[]]
  let before = ''
  PATTERN.lastIndex = 0
  for (let match = PATTERN.exec(source); match; match = PATTERN.exec(source)) {
    const text = match[0]
    if (text === '') break
    let kind: TokenKind = 'plain'
    if (match[1]) kind = 'comment'
    else if (match[2]) kind = 'text'
    else if (match[3]) kind = 'number'
    else if (match[4]) {
      kind = KEYWORDS.has(text)
        ? 'keyword'
        : before === 'def' || before === 'class'
          ? 'definition'
          : 'name'
      before = text
    }
    const parts = text.split('\n')
    parts.forEach((part, i) => {
      if (i > 0) lines.push([])
      if (part) lines[lines.length - 1]!.push({ kind, text: part })
    })
  }
  return lines
}

/** The lines of a function: from its first line while the indent is deeper. 1-based. */
export function functionExtent(
  lines: readonly string[],
  first: number,
): [number, number] {
  const indentOf = (line: string) => line.length - line.trimStart().length
  const head = lines[first - 1]
  if (head === undefined) return [first, first]
  const indent = indentOf(head)
  let at = first
  while (
    at < lines.length &&
    !/\b(def|class|lambda)\b/.test(lines[at - 1] ?? '') &&
    at - first < 20
  )
    at++
  while (
    at < lines.length &&
    !/:\s*(#.*)?$/.test(lines[at - 1] ?? '') &&
    at - first < 60
  )
    at++
  let last = at
  for (let i = at + 1; i <= lines.length; i++) {
    const line = lines[i - 1] ?? ''
    if (line.trim() === '') continue
    if (indentOf(line) <= indent) break
    last = i
  }
  return [first, last]
}
