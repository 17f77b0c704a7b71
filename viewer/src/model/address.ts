/** What the address holds, so that a link shows the same. Pure. */
import { readArrangement, writeArrangement, type Arrangement } from './arrangement'
import { isFiltering, readFilter, writeFilter, type Filter } from './filter'
import { readVariables, writeVariables, type Variable } from './variables'
import type { Span } from './window'

export interface Place {
  window?: Span
  area?: Span
  call?: { lane: number; depth: number; time: number }
  search?: string
  marks?: number[]
  tab?: string
  playhead?: number
  filter?: Filter
  lanes?: Arrangement
  variables?: Variable[]
}

function number(text: string | undefined): number | null {
  if (text === undefined || !/^-?\d{1,17}(\.\d+)?$/.test(text)) return null
  return Number(text)
}

function span(text: string | null): Span | null {
  const match = /^(-?\d+)_(-?\d+)$/.exec(text ?? '')
  if (!match) return null
  const from = number(match[1])
  const to = number(match[2])
  return from !== null && to !== null && from < to ? { from, to } : null
}

export function writePlace(place: Place): string {
  const parts: string[] = []
  const put = (key: string, value: string) => parts.push(`${key}=${value}`)
  if (place.window)
    put('w', `${Math.round(place.window.from)}_${Math.round(place.window.to)}`)
  if (place.area)
    put('a', `${Math.round(place.area.from)}_${Math.round(place.area.to)}`)
  if (place.call)
    put('c', `${place.call.lane}_${place.call.depth}_${Math.round(place.call.time)}`)
  if (place.search) put('q', encodeURIComponent(place.search))
  if (place.marks?.length) put('m', place.marks.map((m) => Math.round(m)).join('_'))
  if (place.tab) put('t', place.tab)
  if (place.playhead !== undefined) put('p', String(Math.round(place.playhead)))
  if (place.filter && isFiltering(place.filter)) put('f', writeFilter(place.filter))
  if (place.lanes) parts.push(...writeArrangement(place.lanes))
  if (place.variables?.length)
    put('v', encodeURIComponent(writeVariables(place.variables)))
  return parts.join('&')
}

export function readPlace(hash: string): Place {
  const parameters = new URLSearchParams(hash.replace(/^#/, ''))
  const place: Place = {}
  const window = span(parameters.get('w'))
  if (window) place.window = window
  const area = span(parameters.get('a'))
  if (area) place.area = area
  const call = (parameters.get('c') ?? '').split('_').map((part) => number(part))
  if (call.length === 3 && call.every((part) => part !== null && part >= 0))
    place.call = { lane: call[0]!, depth: call[1]!, time: call[2]! }
  const search = parameters.get('q')
  if (search) place.search = search.slice(0, 500)
  const marks = (parameters.get('m') ?? '').split('_').map((part) => number(part))
  if (marks[0] !== null)
    place.marks = marks.filter((m): m is number => m !== null).slice(0, 99)
  const tab = parameters.get('t')
  if (tab && /^[a-z]{1,12}$/.test(tab)) place.tab = tab
  const playhead = number(parameters.get('p') ?? undefined)
  if (playhead !== null) place.playhead = playhead
  const filter = parameters.get('f')
  if (filter) place.filter = readFilter(filter)
  const lanes = readArrangement(parameters.get('o'), parameters.get('l'))
  if (lanes) place.lanes = lanes
  const variables = readVariables(parameters.get('v'))
  if (variables) place.variables = variables
  return place
}
