/** Names of the lanes, left of them: fold, pin, hide. Only those in sight are there. */
import { formatMany } from '../base/units'
import { processTitle, type Strip } from '../model/lanes'
import { laneName } from '../model/trace'
import { make, replace } from './dom'
import type { Session } from '../view/session'

export class Gutter {
  private shown = ''

  constructor(
    private readonly box: HTMLElement,
    private readonly session: Session,
  ) {
    session.on(['layout', 'theme'], () => this.render(true))
  }

  render(force = false): void {
    const { session } = this
    const height = this.box.clientHeight
    const visible = session.strips.filter((strip) => {
      const top = strip.top - session.scrollTop
      return top + strip.height > 0 && top < height
    })
    const key = `${session.scrollTop}:${visible.length}:${visible[0]?.top}:${height}`
    if (!force && key === this.shown) return
    this.shown = key
    replace(this.box, ...visible.map((strip) => this.strip(strip)))
  }

  private strip(strip: Strip): HTMLElement {
    const { session } = this
    const top = strip.top - session.scrollTop
    const element = make('div', { class: `gutter-strip ${strip.kind}` })
    element.style.top = `${top}px`
    element.style.height = `${strip.height}px`
    if (strip.kind === 'process') {
      const title = processTitle(session.info, strip.process!)
      element.append(make('span', { class: 'lane-name', title }, title))
    } else if (strip.kind === 'counter') {
      const { series } = strip
      element.append(
        make(
          'span',
          { class: 'lane-name' },
          session.string(series!.string) || 'counter',
        ),
        make(
          'span',
          { class: 'lane-note' },
          `${short(series!.low)} … ${short(series!.high)}`,
        ),
      )
    } else this.lane(strip, element)
    return element
  }

  private lane(strip: Strip, element: HTMLElement): void {
    const { session } = this
    const state = strip.state!
    const lane = session.info.lanes[state.lane]!
    const isThin = state.fold === 'thin'
    const fold = make(
      'button',
      {
        type: 'button',
        class: 'fold',
        'aria-expanded': String(!isThin),
        title: isThin ? 'show the calls' : 'fold this lane',
        onclick: () => {
          state.fold = isThin ? (state.rows > 32 ? 'some' : 'all') : 'thin'
          session.arrange()
        },
      },
      isThin ? '▸' : '▾',
    )
    const name = make(
      'span',
      {
        class: 'lane-name',
        title: `${laneName(lane)}, ${formatMany(lane.events)} events`,
      },
      laneName(lane),
    )
    const pin = make(
      'button',
      {
        type: 'button',
        class: state.isPinned ? 'icon on' : 'icon',
        title: state.isPinned ? 'let go' : 'pin to the top',
        'aria-pressed': String(state.isPinned),
        onclick: () => {
          state.isPinned = !state.isPinned
          session.arrange()
        },
      },
      '⤒',
    )
    const hide = make(
      'button',
      {
        type: 'button',
        class: 'icon',
        title: 'hide this lane (the palette shows all again)',
        onclick: () => {
          state.isHidden = true
          session.arrange()
        },
      },
      '✕',
    )
    element.append(make('div', { class: 'lane-line' }, fold, name, pin, hide))
    if (!isThin && strip.height > 50)
      element.append(
        make(
          'div',
          { class: 'lane-note' },
          `${formatMany(lane.events)} events`,
          lane.lost > 0
            ? make('span', { class: 'loss' }, `, ${formatMany(lane.lost)} lost`)
            : null,
        ),
      )
    if (state.fold === 'some' && state.rows > strip.rowsShown)
      element.append(
        make(
          'button',
          {
            type: 'button',
            class: 'link deeper',
            onclick: () => {
              state.fold = 'all'
              session.arrange()
            },
          },
          `${state.rows - strip.rowsShown} rows deeper…`,
        ),
      )
  }
}

function short(value: number): string {
  return Math.abs(value) >= 10000
    ? formatMany(value)
    : String(Math.round(value * 1000) / 1000)
}
