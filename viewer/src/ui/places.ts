/** The address of the page says what is shown, and shows what it says. */
import { readPlace, writePlace, type Place } from '../model/address'
import type { Session } from '../view/session'
import type { Finder } from './finder'

export class Places {
  private timer = 0

  constructor(
    private readonly session: Session,
    private readonly finder: Finder,
    private readonly tabs: readonly string[],
    private readonly reveal: (lane: number, depth: number) => void,
  ) {
    session.on(['window', 'chosen', 'area', 'search', 'marks', 'tab', 'playhead'], () =>
      this.schedule(),
    )
    this.go(readPlace(location.hash))
    window.addEventListener('hashchange', () => this.go(readPlace(location.hash)))
  }

  /** The address of what is shown now. */
  address(): string {
    history.replaceState(null, '', '#' + writePlace(this.place()))
    return location.href
  }

  go(place: Place): void {
    const { session } = this
    if (place.window) session.show(place.window)
    if (place.search !== undefined && place.search !== session.query) {
      this.finder.set(place.search)
    }
    if (place.marks) session.marks = place.marks
    if (place.area) session.area = { ...place.area, lanes: null }
    if (place.tab && this.tabs.includes(place.tab))
      session.setTab(place.tab)
    if (place.playhead !== undefined) session.playhead = place.playhead
    if (place.call && place.call.lane < session.info.lanes.length) {
      const { lane, depth, time } = place.call
      const chosen = session.chosen
      if (
        !chosen ||
        chosen.lane !== lane ||
        chosen.depth !== depth ||
        Math.round(chosen.time) !== time
      ) {
        this.reveal(lane, depth)
        session.chosen = { lane, depth, time, begin: time, end: time, fn: 0 }
        session.tell('chosen')
      }
    }
    session.tell('area', 'marks', 'playhead')
  }

  private schedule(): void {
    if (this.timer) return
    this.timer = window.setTimeout(() => {
      this.timer = 0
      history.replaceState(null, '', '#' + writePlace(this.place()))
    }, 300)
  }

  place(): Place {
    const { session } = this
    const place: Place = { search: session.query, marks: session.marks }
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
