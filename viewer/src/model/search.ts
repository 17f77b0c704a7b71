/** Which functions a search means. Pure.
 *
 * `word`      part of module:name or of the file path, case does not matter
 * `app.*`     with * or ?: a shell pattern on the whole of one of them
 * `/re/`      a regular expression
 * `=VALUE`    not functions, but events with such a value
 */
import { functionFull, type TraceInfo } from './trace'

/** `=404`, `=status=5*`: a search for values, not functions. */
export function valueWanted(query: string): string {
  const text = query.trim()
  return text.startsWith('=') ? text.slice(1).trim() : ''
}

export type Test = (text: string) => boolean

/** null: nothing is searched. A broken expression finds nothing. */
export function compile(query: string): Test | null {
  const text = query.trim()
  if (text === '') return null
  if (text.length > 2 && text.startsWith('/') && text.endsWith('/')) {
    try {
      const expression = new RegExp(text.slice(1, -1), 'i')
      return (name) => expression.test(name)
    } catch {
      return () => false
    }
  }
  if (/[*?]/.test(text)) {
    const escaped = text.replace(/[.+^${}()|[\]\\]/g, '\\$&')
    const pattern = escaped.replace(/\*/g, '.*').replace(/\?/g, '.')
    const expression = new RegExp(`^${pattern}$`, 'i')
    return (name) => expression.test(name)
  }
  const word = text.toLowerCase()
  return (name) => name.toLowerCase().includes(word)
}

/** A byte per function: 1 where it is meant. */
export function findFunctions(info: TraceInfo, query: string): Uint8Array {
  const { name, file } = info.functions
  const found = new Uint8Array(name.length)
  const test = compile(query)
  if (!test) return found
  for (let i = 0; i < name.length; i++) {
    const full = functionFull(info, i)
    const isFound = test(full) || test(full.replace(':', '.')) || test(name[i] ?? '')
    if (
      isFound ||
      ((query.includes('/') || query.endsWith('.py')) && test(file[i] ?? ''))
    )
      found[i] = 1
  }
  return found
}
