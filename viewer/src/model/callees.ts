/** Where in a function's text its calls stand: the names of what it called, found among
 * the tokens that are called there. Pure. */
import type { Token } from '../base/python'
import type { TraceInfo } from './trace'

export interface Callee {
  readonly fn: number
  readonly calls: number
  readonly total: number // ns
}

export interface CallPlace {
  readonly callee: Callee
  readonly isOnly: boolean // the text has no other place with this name
}

/** The word by which a function is called: `file` of `Index.file`, `Book` of
 * `Book.__init__`; empty for those that no text names, such as `<lambda>`. */
export function calledName(qualname: string): string {
  const parts = qualname.split('.')
  let last = parts[parts.length - 1] ?? ''
  if (/^__(init|new|call)__$/.test(last)) last = parts[parts.length - 2] ?? ''
  return /^[\w\u0080-\uffff]+$/.test(last) ? last : ''
}

/** Places by `line:token index`; lines 1-based, from `first` to `last`. */
export function findCalls(
  info: TraceInfo,
  lines: readonly (readonly Token[])[],
  first: number,
  last: number,
  callees: readonly Callee[],
): Map<string, CallPlace> {
  const byName = new Map<string, Callee>()
  for (const callee of callees) {
    const name = calledName(info.functions.name[callee.fn] ?? '')
    const known = byName.get(name)
    if (name && (!known || known.total < callee.total)) byName.set(name, callee)
  }
  const found: { key: string; callee: Callee }[] = []
  const counts = new Map<Callee, number>()
  for (let line = first; line <= last; line++) {
    const tokens = lines[line - 1] ?? []
    tokens.forEach((token, i) => {
      const callee = token.kind === 'name' ? byName.get(token.text) : undefined
      if (!callee || !isCalled(tokens, i)) return
      found.push({ key: `${line}:${i}`, callee })
      counts.set(callee, (counts.get(callee) ?? 0) + 1)
    })
  }
  return new Map(
    found.map(({ key, callee }) => [key, { callee, isOnly: counts.get(callee) === 1 }]),
  )
}

/** A `(` comes next; decorators and `with` names are called without one in sight. */
function isCalled(tokens: readonly Token[], at: number): boolean {
  for (let i = at + 1; i < tokens.length; i++) {
    const text = tokens[i]!.text.trim()
    if (text === '') continue
    return text.startsWith('(')
  }
  return false
}
