/** The address of the page says what is shown, and shows what it says. */
import { isFiltering, NO_FILTER } from '../model/filter'
import { arranged, arrangementOf } from '../model/arrangement'
import { readPlace, writePlace, type Place } from '../model/address'
import type { Session } from '../view/session'
import type { Finder } from './finder'

const STILL_MS = 300

export class Places {
  private timer = 0
  private changed = 0 // when what is shown last did; of performance.now()
  private wanted: Place['call'] | null = null

  constructor(
    private readonly session: Session,
    private readonly finder: Finder,
    private readonly tabs: readonly string[],
    private readonly reveal: (lane: number, depth: number) => void,
  ) {
    session.on(
      [
        ...(['window', 'chosen', 'area', 'search', 'marks', 'tab'] as const),
        ...(['playhead', 'filter', 'layout'] as const),
      ],
      () => this.schedule(),
    )
    session.on('filter', () => {
      if (!this.wanted || !session.hasData || session.filterProgress !== null) return
      const call = this.wanted
      this.wanted = null
      this.goCall(call)
    })
    this.go(readPlace(location.hash))
    window.addEventListener('hashchange', () => this.go(readPlace(location.hash)), {
      signal: session.life,
    })
  }

  /** The address is to follow what is shown, and has not yet. */
  get isWaiting(): boolean {
    return this.timer !== 0
  }

  /** The address of what is shown now. */
  address(): string {
    history.replaceState(null, '', '#' + writePlace(this.place()))
    return location.href
  }

  go(place: Place): void {
    const { session } = this
    const { call } = place
    const filter = place.filter ?? NO_FILTER
    const isFiltered = JSON.stringify(filter) !== JSON.stringify(session.filter)
    if (isFiltered) session.setFilter(filter).catch(() => undefined)
    if (place.window) session.show(place.window)
    if (place.lanes) {
      session.states = arranged(session.states, place.lanes)
      session.arrange()
    }
    if (place.variables) session.histories.set(place.variables)
    if (place.search !== undefined && place.search !== this.place().search) {
      this.finder.set(place.search)
    }
    if (place.marks) session.marks = place.marks
    if (place.area) session.area = { ...place.area, lanes: null }
    if (place.tab && this.tabs.includes(place.tab)) session.setTab(place.tab)
    if (place.playhead !== undefined) session.playhead = place.playhead
    // Of a filtered picture, once it is there: depths count what is shown.
    if (call && isFiltered) this.wanted = call
    else if (call) this.goCall(call)
    session.tell('area', 'marks', 'playhead')
  }

  private goCall(call: NonNullable<Place['call']>): void {
    const { session } = this
    const { lane, depth, time } = call
    if (lane >= session.info.lanes.length) return
    const chosen = session.chosen
    if (
      chosen?.lane === lane &&
      chosen.depth === depth &&
      Math.round(chosen.time) === time
    )
      return
    this.reveal(lane, depth)
    session.chosen = { lane, depth, time, begin: time, end: time, fn: -1 }
    session.tell('chosen')
  }

  /** Writing it takes a millisecond or two, and no one reads it on the way: once what
   * is shown has been still for a while. */
  private schedule(): void {
    this.changed = performance.now()
    if (!this.timer) this.timer = window.setTimeout(() => this.follow(), STILL_MS)
  }

  private follow(): void {
    const left = this.changed + STILL_MS - performance.now()
    if (left > 1) {
      this.timer = window.setTimeout(() => this.follow(), left)
      return
    }
    this.timer = 0
    this.address()
  }

  place(): Place {
    const { session } = this
    const place: Place = {
      search: session.value === '' ? session.query : `=${session.value}`,
      marks: session.marks,
    }
    const lanes = arrangementOf(session.states, session.usual)
    if (lanes.order.length > 0 || lanes.lanes.size > 0) place.lanes = lanes
    if (isFiltering(session.filter)) place.filter = session.filter
    const shown = session.histories.list.map((one) => one.variable)
    if (shown.length > 0) place.variables = shown
    const { span, whole } = session
    if (span.from > whole.from || span.to < whole.to) place.window = span
    if (session.area) place.area = session.area
    if (session.tab !== 'call') place.tab = session.tab
    if (session.playhead !== null) place.playhead = session.playhead
    const { chosen } = session
    if (chosen)
      place.call = { lane: chosen.lane, depth: chosen.depth, time: chosen.time }
    return place
  }
}
