/** Every command once: for the keyboard, the palette and the help. */
import { make, replace } from './dom'

export interface Command {
  readonly name: string
  readonly keys: readonly string[] // event.code, with Shift+ and Ctrl+ before it
  readonly group: string
  readonly run: () => void
  readonly isHeld?: boolean // repeats while the key is down
}

const NAMES: Record<string, string> = {
  ArrowLeft: '←',
  ArrowRight: '→',
  ArrowUp: '↑',
  ArrowDown: '↓',
  Slash: '/',
  Period: '.',
  Equal: '+',
  Minus: '−',
  Comma: ',',
  BracketLeft: '[',
  BracketRight: ']',
  Space: 'Space',
  Escape: 'Esc',
  'Shift+Slash': '?',
  'Shift+Period': '>',
  PageUp: 'Page ↑',
  PageDown: 'Page ↓',
  Enter: 'Enter',
}

export function keyName(key: string): string {
  const plain = key.replace(/Key|Digit/, '')
  return (
    NAMES[key] ??
    plain
      .split('+')
      .map((part) => NAMES[part] ?? part)
      .join(' + ')
  )
}

export function keyOf(event: KeyboardEvent): string {
  const control = event.ctrlKey || event.metaKey ? 'Ctrl+' : ''
  // Signs are where the keyboard says, letters where they lie: AZERTY has WASD, too.
  const sign = control ? undefined : SIGNS[event.key]
  return sign ?? control + (event.shiftKey ? 'Shift+' : '') + event.code
}

const SIGNS: Record<string, string> = {
  '/': 'Slash',
  '?': 'Shift+Slash',
  '>': 'Shift+Period',
  '.': 'Period',
  ',': 'Comma',
  '[': 'BracketLeft',
  ']': 'BracketRight',
}

export class Commands {
  private readonly byKey = new Map<string, Command>()

  constructor(
    private readonly list: Command[],
    life: AbortSignal,
  ) {
    for (const command of list)
      for (const key of command.keys) this.byKey.set(key, command)
    document.addEventListener('keydown', (event) => this.press(event), { signal: life })
  }

  private press(event: KeyboardEvent): void {
    const target = event.target as HTMLElement | null
    const isTyping =
      target?.matches('input:not([type=checkbox]), select, textarea') ?? false
    const key = keyOf(event)
    if (isTyping && !key.startsWith('Ctrl+')) return
    if (document.querySelector('dialog[open]') || event.altKey) return
    if (event.defaultPrevented) return
    const onControl =
      target?.matches('button, a, summary') && ['Space', 'Enter'].includes(event.code)
    const command = this.byKey.get(key)
    if (!command || onControl) return
    const inScroll = target?.closest('.table-scroll, .source, .panel-part')
    // Those scroll what has the focus.
    if (inScroll && /^(Arrow|Page)/.test(event.code)) return
    event.preventDefault()
    if (!event.repeat || command.isHeld) command.run()
  }

  /** The palette: type a part of a name. `extra` stands instead, such as lanes. */
  openPalette(extra: Command[] = [], title = 'Commands'): void {
    const all = [...(extra.length ? extra : this.list)]
    const input = make('input', {
      type: 'text',
      placeholder: `${title}: type a part of the name`,
      'aria-label': title,
      autocomplete: 'off',
    })
    const results = make('ul', { class: 'palette-list', role: 'listbox' })
    const dialog = make(
      'dialog',
      { class: 'palette', 'aria-label': title },
      input,
      results,
    )
    let at = 0
    let shown = all
    const render = () => {
      const words = input.value.toLowerCase().split(/\s+/)
      shown = all
        .filter((one) => words.every((word) => one.name.toLowerCase().includes(word)))
        .slice(0, 60)
      at = Math.min(at, Math.max(shown.length - 1, 0))
      replace(
        results,
        ...shown.map((one, i) =>
          make(
            'li',
            {
              role: 'option',
              'aria-selected': String(i === at),
              class: i === at ? 'at' : '',
              onclick: () => choose(one),
            },
            make('span', {}, one.name),
            ...one.keys.slice(0, 1).map((key) => make('kbd', {}, keyName(key))),
          ),
        ),
      )
      results.children[at]?.scrollIntoView({ block: 'nearest' })
    }
    const choose = (command: Command | undefined) => {
      dialog.close()
      command?.run()
    }
    input.addEventListener('input', () => {
      at = 0
      render()
    })
    input.addEventListener('keydown', (event) => {
      if (event.key === 'ArrowDown') at = Math.min(at + 1, shown.length - 1)
      else if (event.key === 'ArrowUp') at = Math.max(at - 1, 0)
      else if (event.key === 'Enter') return choose(shown[at])
      else return
      event.preventDefault()
      render()
    })
    this.open(dialog)
    render()
    input.focus()
  }

  /** One sentence that has to be read. */
  openNote(text: string): void {
    const dialog = make(
      'dialog',
      { class: 'palette note-dialog', 'aria-label': 'note' },
      make('p', {}, text),
    )
    dialog.append(
      make(
        'button',
        { type: 'button', class: 'button', onclick: () => dialog.close() },
        'Close',
      ),
    )
    this.open(dialog)
  }

  openHelp(): void {
    const groups = new Map<string, Command[]>()
    for (const command of this.list) {
      if (command.keys.length === 0) continue
      groups.set(command.group, [...(groups.get(command.group) ?? []), command])
    }
    const sections = [...groups].map(([name, commands]) =>
      make(
        'section',
        {},
        make('h3', {}, name),
        make(
          'dl',
          { class: 'keys' },
          ...commands.flatMap((one) => [
            make(
              'dt',
              {},
              ...one.keys.slice(0, 2).map((key) => make('kbd', {}, keyName(key))),
            ),
            make('dd', {}, one.name),
          ]),
        ),
      ),
    )
    const mouse = make(
      'section',
      {},
      make('h3', {}, 'Mouse'),
      make(
        'dl',
        { class: 'keys' },
        ...(
          [
            ['Ctrl + wheel', 'Zoom at the pointer'],
            ['Wheel', 'Scroll the lanes'],
            ['Shift + wheel', 'Move along time'],
            ['Shift + drag', 'Move along time'],
            ['Drag', 'Select time and lanes'],
            ['Click', 'Choose a call'],
            ['Double click', 'Zoom to a call'],
            ['Drag on ruler', 'Select time'],
            ['Drag overview', 'Move the window'],
            ['Drag lane name', 'Move the lane'],
            ['Double click it', 'Show all its time'],
          ] as const
        ).flatMap(([key, text]) => [
          make('dt', {}, make('kbd', {}, key)),
          make('dd', {}, text),
        ]),
      ),
    )
    const dialog = make(
      'dialog',
      { class: 'help', 'aria-label': 'keys' },
      make(
        'header',
        {},
        make('h2', {}, 'Keys and mouse'),
        make(
          'button',
          { type: 'button', class: 'button', onclick: () => dialog.close() },
          'Close',
        ),
      ),
      make('div', { class: 'help-columns' }, ...sections, mouse),
    )
    this.open(dialog)
  }

  private open(dialog: HTMLDialogElement): void {
    dialog.addEventListener('close', () => dialog.remove())
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog) dialog.close()
    })
    document.body.append(dialog)
    dialog.showModal()
  }
}
