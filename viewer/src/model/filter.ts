/** What is left out of the picture and of all numbers: whole modules, library code,
 * deep calls, short calls. What is left out is as if it had not been recorded, but for
 * the times of what stays. Pure. */
import { compile, type Test } from './search'
import { functionFull, isLibrary, type TraceInfo } from './trace'
import { formatDuration } from '../base/units'

export interface Filter {
  readonly code: string // patterns, `-` before those to leave out
  readonly foldsLibrary: boolean
  readonly depth: number // 0: any
  readonly shortest: number // ns; 0: any
}

export const NO_FILTER: Filter = {
  code: '',
  foldsLibrary: false,
  depth: 0,
  shortest: 0,
}

export function isFiltering(filter: Filter): boolean {
  return (
    filter.code.trim() !== '' ||
    filter.foldsLibrary ||
    filter.depth > 0 ||
    filter.shortest > 0
  )
}

/** A byte per function: 1 where it stays; null: all stay. */
export function functionsKept(info: TraceInfo, filter: Filter): Uint8Array | null {
  const words = filter.code
    .split(/[\s,]+/)
    .filter((word) => word.replace('-', '') !== '')
  if (words.length === 0 && !filter.foldsLibrary) return null
  const tests = (list: string[]) =>
    list.map((word) => compile(word)).filter((test): test is Test => test !== null)
  const only = tests(words.filter((word) => !word.startsWith('-')))
  const never = tests(
    words.filter((word) => word.startsWith('-')).map((word) => word.slice(1)),
  )
  const { module, file, name } = info.functions
  const kept = new Uint8Array(name.length)
  for (let i = 0; i < kept.length; i++) {
    const full = functionFull(info, i)
    const texts = [full, full.replace(':', '.'), module[i] ?? '', file[i] ?? '']
    const fits = (test: Test) => texts.some((text) => text !== '' && test(text))
    const isIn = only.length === 0 || only.some(fits)
    if (isIn && !never.some(fits) && !(filter.foldsLibrary && isLibrary(info, i)))
      kept[i] = 1
  }
  return kept
}

/** In a few words, for the button. */
export function describeFilter(filter: Filter): string {
  const parts: string[] = []
  if (filter.foldsLibrary) parts.push('own code')
  if (filter.code.trim()) parts.push(filter.code.trim())
  if (filter.depth > 0) parts.push(`depth < ${filter.depth}`)
  if (filter.shortest > 0) parts.push(`≥ ${formatDuration(filter.shortest)}`)
  return parts.join(', ')
}

/** For the address: `l.d5.s1000.cNAME`. */
export function writeFilter(filter: Filter): string {
  const parts: string[] = []
  if (filter.foldsLibrary) parts.push('l')
  if (filter.depth > 0) parts.push(`d${filter.depth}`)
  if (filter.shortest > 0) parts.push(`s${Math.round(filter.shortest)}`)
  if (filter.code.trim()) parts.push(`c${encodeURIComponent(filter.code.trim())}`)
  return parts.join('!')
}

export function readFilter(text: string): Filter {
  let filter = NO_FILTER
  for (const part of text.split('!')) {
    const rest = part.slice(1)
    const number = /^\d{1,15}$/.test(rest) ? Number(rest) : 0
    if (part === 'l') filter = { ...filter, foldsLibrary: true }
    else if (part[0] === 'd') filter = { ...filter, depth: number }
    else if (part[0] === 's') filter = { ...filter, shortest: number }
    else if (part[0] === 'c') filter = { ...filter, code: rest.slice(0, 500) }
  }
  return filter
}
