/** How the user arranged the lanes, as the address says it: `o=` the order as far as it
 * is not the usual one, `l=` what was done to single lanes. Pure. */
import type { Fold, LaneState } from './lanes'

const LANES_MAX = 400 // an address has to fit into a mail

const FOLDS: Record<string, Fold> = { a: 'all', s: 'some', t: 'thin' }

export interface Arrangement {
  order: number[] // the first lanes; the others follow as they are
  lanes: Map<number, string> // p: pinned, h: hidden, a s t: its fold
}

/** What differs from the lanes as they are shown at first. */
export function arrangementOf(states: LaneState[], usual: LaneState[]): Arrangement {
  let moved = 0
  states.forEach((state, i) => {
    if (state.lane !== usual[i]?.lane) moved = i + 1
  })
  const order = states.slice(0, Math.min(moved, LANES_MAX)).map((state) => state.lane)
  const foldOf = new Map(usual.map((state) => [state.lane, state.fold]))
  const lanes = new Map<number, string>()
  for (const state of states) {
    const fold = state.fold === foldOf.get(state.lane) ? '' : state.fold[0]!
    const said = (state.isPinned ? 'p' : '') + (state.isHidden ? 'h' : '') + fold
    if (said !== '' && lanes.size < LANES_MAX) lanes.set(state.lane, said)
  }
  return { order, lanes }
}

/** The lanes in that order, each as it says. */
export function arranged(states: LaneState[], want: Arrangement): LaneState[] {
  const first = new Map(want.order.map((lane, i) => [lane, i]))
  const place = (state: LaneState) => first.get(state.lane) ?? LANES_MAX
  return states
    .map((state) => {
      const said = want.lanes.get(state.lane) ?? ''
      const fold = [...said].map((letter) => FOLDS[letter]).find((one) => one)
      return {
        ...state,
        isPinned: said.includes('p'),
        isHidden: said.includes('h'),
        fold: fold ?? state.fold,
      }
    })
    .sort((a, b) => place(a) - place(b))
}

export function writeArrangement({ order, lanes }: Arrangement): string[] {
  const parts: string[] = []
  if (order.length > 0) parts.push(`o=${order.join('_')}`)
  if (lanes.size > 0)
    parts.push(`l=${[...lanes].map(([lane, said]) => `${lane}${said}`).join('_')}`)
  return parts
}

/** Undefined where the address says nothing of lanes. */
export function readArrangement(
  order: string | null,
  lanes: string | null,
): Arrangement | undefined {
  if (order === null && lanes === null) return undefined
  const list = (text: string | null) => (text ?? '').split('_').slice(0, LANES_MAX)
  const said = list(lanes).flatMap((one) => {
    const match = /^(\d{1,9})([phast]{1,3})$/.exec(one)
    return match ? [[Number(match[1]), match[2]!] as const] : []
  })
  return {
    order: list(order)
      .filter((one) => /^\d{1,9}$/.test(one))
      .map(Number),
    lanes: new Map(said),
  }
}
