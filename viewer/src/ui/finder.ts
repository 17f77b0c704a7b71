/** The search box: what it finds, how many, and going through them. */
import { formatCount } from '../base/units'
import { Dropped } from '../data/client'
import { EVENT_ANY, EVENT_BEGINS, EVENT_POINTS } from '../data/protocol'
import type { Chosen, Session } from '../view/session'
import { byId } from './dom'

export class Finder {
  private readonly box = byId<HTMLInputElement>('search')
  last: number | null = null // where a value was found
  private readonly note = byId('search-note')

  constructor(
    private readonly session: Session,
    private readonly goTo: (chosen: Chosen) => void,
  ) {
    this.box.addEventListener('input', () => this.search(this.box.value))
    this.box.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') {
        event.preventDefault()
        void this.nextFound(event.shiftKey)
      } else if (event.key === 'Escape') {
        this.box.value = ''
        this.search('')
        byId('overlay').focus()
      }
    })
    byId('search-next').addEventListener('click', () => void this.nextFound(false))
    byId('search-previous').addEventListener('click', () => void this.nextFound(true))
  }

  focus(): void {
    this.box.focus()
    this.box.select()
  }

  /** As if it had been typed. */
  set(query: string): void {
    this.box.value = query
    this.search(query)
  }

  search(query: string): void {
    const { session } = this
    this.last = null
    session.search(query)
    const isOn = query.trim() !== ''
    this.note.textContent = !isOn
      ? ''
      : session.value !== ''
        ? 'Enter: next'
        : session.foundCount === 1
          ? '1 function'
          : `${formatCount(session.foundCount)} functions`
    document.body.classList.toggle('searching', isOn)
  }

  async nextFound(back: boolean): Promise<void> {
    const { session } = this
    const { value } = session
    if (session.foundCount === 0 && value === '') return
    const chosen = session.chosen
    const from =
      value !== '' && this.last !== null
        ? this.last
        : chosen && session.found[chosen.fn]
          ? chosen.begin
          : back
            ? session.span.to
            : session.span.from
    try {
      const found = await session.client.ask(
        'event',
        [
          0xffffffff,
          Math.floor(from),
          back,
          value === '' ? EVENT_BEGINS : EVENT_ANY | EVENT_POINTS,
          value === '' ? session.found : null,
          value,
        ],
        { key: 'event' },
      )
      if (!found) {
        this.note.textContent = back ? 'none before' : 'none after'
        return
      }
      this.last = found.time_ns
      showMoment(session, found.time_ns)
      if (found.function < 0) {
        session.playLane = found.lane
        session.setPlayhead(found.time_ns)
        this.note.textContent = 'a point in time'
        return
      }
      const time = found.is_begin ? found.time_ns : found.time_ns - 1
      this.goTo({
        lane: found.lane,
        depth: found.depth,
        time,
        begin: time,
        end: time,
        fn: found.function,
      })
    } catch (error) {
      if (!(error instanceof Dropped)) this.note.textContent = String(error)
    }
  }
}

/** Moves the window so that a moment is well inside it. */
export function showMoment(session: Session, time: number): void {
  const { span } = session
  const length = span.to - span.from
  if (time < span.from + length * 0.02 || time > span.to - length * 0.02)
    session.show({ from: time - length / 2, to: time + length / 2 }, true)
}
