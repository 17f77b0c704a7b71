/** Names of the lanes, left of them: fold, pin, hide, order. Only those in sight are
 * there. A lane's name is dragged to its place, or moved with Alt and the arrows. */
import { formatCount, formatMany, plural } from '../base/units'
import { processTitle, unfolded, type LaneState, type Strip } from '../model/lanes'
import { laneName } from '../model/trace'
import { variableWhere } from '../model/variables'
import type { Session } from '../view/session'
import { announce, byId, make, replace } from './dom'

const DRAG_SLACK = 4
const MANY_LANES = 12

export class Gutter {
  private shown = ''
  private dragging: { state: LaneState; y: number; isMoved: boolean } | null = null
  private readonly line = make('div', { class: 'drop-line', hidden: true })
  private readonly idleButton = byId<HTMLButtonElement>('hide-idle')
  private readonly hiddenButton = byId<HTMLButtonElement>('show-hidden')

  constructor(
    private readonly box: HTMLElement,
    private readonly session: Session,
  ) {
    session.on(['layout', 'theme'], () => this.render(true))
    this.hiddenButton.addEventListener('click', () => {
      for (const state of session.states) state.isHidden = false
      session.arrange()
    })
    this.idleButton.addEventListener('click', () => session.hideIdle())
    session.on(['window', 'layout'], () => this.offerIdle())
    box.addEventListener('keydown', (event) => this.press(event))
    box.addEventListener('dblclick', (event) => {
      const target = event.target as HTMLElement
      const lane = target.closest<HTMLElement>('[data-lane]')?.dataset['lane']
      if (target.classList.contains('handle')) session.showLane(Number(lane))
    })
    this.listen()
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
    const focused = document.activeElement
    const held =
      focused instanceof HTMLElement && this.box.contains(focused)
        ? [
            focused.closest<HTMLElement>('[data-lane]')?.dataset['lane'],
            focused.dataset['part'],
          ]
        : null
    replace(this.box, ...visible.map((strip) => this.strip(strip)), this.line)
    if (held)
      this.box
        .querySelector<HTMLElement>(`[data-lane="${held[0]}"] [data-part="${held[1]}"]`)
        ?.focus({ preventScroll: true })
    const hidden = session.states.filter((state) => state.isHidden).length
    this.hiddenButton.hidden = hidden === 0
    this.hiddenButton.textContent = `${formatCount(hidden)} hidden`
  }

  /** Many lanes that are empty here are in the way of those that are not. */
  private offerIdle(): void {
    const { session } = this
    const isMany = session.states.length > MANY_LANES
    const idle = isMany ? session.idleLanes().length : 0
    this.idleButton.hidden = idle === 0
    const text = `hide ${formatCount(idle)} idle`
    if (idle > 0 && this.idleButton.textContent !== text)
      this.idleButton.textContent = text
  }

  private strip(strip: Strip): HTMLElement {
    const { session } = this
    const element = make('div', { class: `gutter-strip ${strip.kind}` })
    element.style.top = `${strip.top - session.scrollTop}px`
    element.style.height = `${strip.height}px`
    // The name of a tall lane stays in sight while its calls do.
    const above = session.scrollTop - strip.top
    if (above > 0 && strip.height > 44)
      element.style.paddingTop = `${3 + Math.min(above, strip.height - 44)}px`
    if (strip.kind === 'process') this.process(strip, element)
    else if (strip.kind === 'counter') {
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
    } else if (strip.kind === 'history') this.history(strip, element)
    else this.lane(strip, element)
    return element
  }

  private history(strip: Strip, element: HTMLElement): void {
    const { session } = this
    const { variable } = strip
    const history = session.histories.list.find((one) => one.variable === variable)
    if (!variable || !history) return
    const { facts } = history
    const where = variableWhere(session.info, variable)
    const range =
      facts && facts.low <= facts.high
        ? `${short(facts.low)} … ${short(facts.high)}`
        : facts
          ? plural(facts.count, 'value')
          : ''
    element.dataset['lane'] = `v${history.slot}`
    element.append(
      make(
        'div',
        { class: 'lane-line' },
        make(
          'span',
          { class: 'lane-name', title: `${variable.name}\n${where}` },
          variable.name,
        ),
        make(
          'button',
          {
            type: 'button',
            class: 'icon',
            'data-part': 'hide',
            title: 'take this variable away',
            'aria-label': `take away: ${variable.name}, ${where}, ${range}`,
            onclick: () => session.histories.remove(history),
          },
          '✕',
        ),
      ),
      make(
        'div',
        { class: 'lane-note' },
        history.note || [range, where].filter((part) => part !== '').join(' · '),
      ),
    )
  }

  private process(strip: Strip, element: HTMLElement): void {
    const { session } = this
    const { lanes } = session.info
    const title = processTitle(session.info, strip.process!)
    const own = session.states.filter(
      (one) => lanes[one.lane]!.process === strip.process,
    )
    const isFolded = own.every((one) => one.fold === 'thin')
    element.dataset['lane'] = `p${strip.process}`
    element.append(
      make(
        'div',
        { class: 'lane-line' },
        make(
          'button',
          {
            type: 'button',
            class: 'fold',
            'data-part': 'fold',
            'aria-expanded': String(!isFolded),
            'aria-label': `lanes of ${title}`,
            title: isFolded ? 'unfold its lanes' : 'fold its lanes',
            onclick: () => {
              for (const one of own) one.fold = isFolded ? unfolded(one) : 'thin'
              session.arrange()
            },
          },
          isFolded ? '▸' : '▾',
        ),
        make('span', { class: 'lane-name', title }, title),
      ),
    )
  }

  private lane(strip: Strip, element: HTMLElement): void {
    const { session } = this
    const state = strip.state!
    const lane = session.info.lanes[state.lane]!
    const text = laneName(lane)
    const isThin = state.fold === 'thin'
    element.dataset['lane'] = String(state.lane)
    const button = (part: string, title: string, sign: string, go: () => void) =>
      make(
        'button',
        {
          type: 'button',
          class: 'icon',
          'data-part': part,
          title,
          'aria-label': `${title}: ${text}`,
          onclick: () => {
            go()
            session.arrange()
          },
        },
        sign,
      )
    const fold = button(
      'fold',
      isThin ? 'show the calls' : 'fold',
      isThin ? '▸' : '▾',
      () => {
        state.fold = isThin ? unfolded(state) : 'thin'
      },
    )
    fold.className = 'fold'
    fold.setAttribute('aria-expanded', String(!isThin))
    const pin = button('pin', state.isPinned ? 'let go' : 'pin to the top', '⤒', () => {
      state.isPinned = !state.isPinned
    })
    pin.setAttribute('aria-pressed', String(state.isPinned))
    pin.classList.toggle('on', state.isPinned)
    const hide = button('hide', 'hide', '✕', () => (state.isHidden = true))
    const name = make(
      'span',
      {
        class: 'lane-name handle',
        tabindex: 0,
        role: 'group',
        'data-part': 'name',
        'aria-label':
          `lane ${text}, ${formatMany(lane.events)} events; ` +
          'Alt and arrows move it',
        title:
          `${text}\n${formatMany(lane.events)} events.\n` +
          'Drag to move, or Alt + ↑ ↓. Double click: all its time',
      },
      text,
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
            'data-part': 'deeper',
            onclick: () => {
              state.fold = 'all'
              session.arrange()
            },
          },
          `${state.rows - strip.rowsShown} rows deeper…`,
        ),
      )
  }

  // ---- order ----

  private listen(): void {
    const { box, session } = this
    box.addEventListener('pointerdown', (event) => {
      const target = event.target as HTMLElement
      if (event.button !== 0 || !target.classList.contains('handle')) return
      const lane = Number(target.closest<HTMLElement>('[data-lane]')?.dataset['lane'])
      const state = session.states.find((one) => one.lane === lane)
      if (!state) return
      this.dragging = { state, y: event.clientY, isMoved: false }
    })
    box.addEventListener('pointermove', (event) => {
      const { dragging } = this
      if (!dragging) return
      if (event.buttons === 0) this.dragging = null // released outside, before it moved
      if (Math.abs(event.clientY - dragging.y) > DRAG_SLACK) dragging.isMoved = true
      if (!dragging.isMoved) return
      box.setPointerCapture(event.pointerId) // not before: a click is its target's
      box.classList.add('dragging')
      const place = this.placeAt(event.clientY)
      this.line.hidden = !place
      if (place) this.line.style.top = `${place.top - session.scrollTop - 3}px`
    })
    const end = (event: PointerEvent) => {
      const { dragging } = this
      this.dragging = null
      this.line.hidden = true
      box.classList.remove('dragging')
      const place = dragging?.isMoved ? this.placeAt(event.clientY) : null
      if (dragging && place) session.moveLane(dragging.state, place.before)
    }
    box.addEventListener('pointerup', end)
    box.addEventListener('pointercancel', () => {
      this.dragging = null
      this.line.hidden = true
      box.classList.remove('dragging')
    })
  }

  /** The gap between lanes that is nearest to a height: before which lane it is. */
  private placeAt(y: number): { before: LaneState | null; top: number } | null {
    const { session } = this
    const at = y - this.box.getBoundingClientRect().top + session.scrollTop
    const lanes = session.strips.filter((strip) => strip.kind === 'lane')
    for (const strip of lanes)
      if (at < strip.top + strip.height / 2)
        return { before: strip.state!, top: strip.top }
    const last = session.strips[session.strips.length - 1]
    return last ? { before: null, top: last.top + last.height } : null
  }

  private press(event: KeyboardEvent): void {
    const { session } = this
    if (event.code === 'Enter' && (event.target as HTMLElement).matches('.handle')) {
      const at = (event.target as HTMLElement).closest<HTMLElement>('[data-lane]')
      session.showLane(Number(at?.dataset['lane']))
      return
    }
    const by = event.code === 'ArrowUp' ? -1 : event.code === 'ArrowDown' ? 1 : 0
    const target = event.target as HTMLElement
    const lane = Number(target.closest<HTMLElement>('[data-lane]')?.dataset['lane'])
    const shown = session.strips
      .filter((strip) => strip.kind === 'lane')
      .map((strip) => strip.state!)
    const index = shown.findIndex((one) => one.lane === lane)
    const state = shown[index]
    if (!state || by === 0) return
    event.preventDefault()
    event.stopPropagation()
    if (!event.altKey) {
      const next = shown[index + by]
      if (!next) return
      session.revealLane(next)
      this.box
        .querySelector<HTMLElement>(`[data-lane="${next.lane}"] [data-part="name"]`)
        ?.focus({ preventScroll: true })
      return
    }
    const other = shown[index + (by > 0 ? 2 : -1)] ?? null
    if (index + by < 0 || index + by >= shown.length) return
    session.moveLane(state, other)
    session.revealLane(state)
    const now = session.strips
      .filter((strip) => strip.kind === 'lane')
      .findIndex((strip) => strip.state === state)
    announce(`${state.name} is lane ${now + 1}`)
  }
}

function short(value: number): string {
  return Math.abs(value) >= 10000
    ? formatMany(value)
    : String(Math.round(value * 1000) / 1000)
}
