/** Variables whose values are a lane, and how the address names them. Pure. */

import { functionLabel, type TraceInfo } from './trace'

/** A name in a function on a lane; of attributes `Type.name`, in no function (-1). */
export interface Variable {
  readonly lane: number
  readonly fn: number
  readonly name: string
}

/** Of a variable that was logged: how often it changed, and how often to a number. */
export interface VariableInfo {
  name: string
  lane: number
  function: number
  count: number
  numbers: number
}

export const VARIABLES_MAX = 32 // lanes of variables at one time

export function sameVariable(a: Variable, b: Variable): boolean {
  return a.lane === b.lane && a.fn === b.fn && a.name === b.name
}

/** In which function it is, in words. */
export function variableWhere(info: TraceInfo, { fn, name }: Variable): string {
  if (fn >= 0) return `in ${functionLabel(info, fn)}`
  return name.includes('.') ? 'attribute' : 'outside of calls'
}

export function writeVariables(list: readonly Variable[]): string {
  return list
    .map(({ lane, fn, name }) => `${lane}_${fn}_${encodeURIComponent(name)}`)
    .join(',')
}

export function readVariables(text: string | null): Variable[] | undefined {
  if (text === null) return undefined
  const found: Variable[] = []
  for (const part of text.split(',').slice(0, VARIABLES_MAX)) {
    const match = /^(\d{1,9})_(-1|\d{1,9})_(.{1,2000})$/s.exec(part)
    if (!match) continue
    try {
      const name = decodeURIComponent(match[3]!)
      found.push({ lane: Number(match[1]), fn: Number(match[2]), name })
    } catch {
      // no name at all
    }
  }
  return found
}
