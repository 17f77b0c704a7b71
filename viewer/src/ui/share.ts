/** What leaves the page (copies, pictures) and what it keeps (the theme). */
import { laneName } from '../model/trace'
import type { Timeline } from '../view/timeline'
import { announce } from './dom'
import type { Session } from '../view/session'

const THEME_KEY = 'marey-theme'

export function keptTheme(): string | null {
  try {
    return localStorage.getItem(THEME_KEY)
  } catch {
    return null // a page from a file may not keep anything
  }
}

export function keepTheme(isDark: boolean): void {
  try {
    localStorage.setItem(THEME_KEY, isDark ? 'dark' : 'light')
  } catch {
    // as above
  }
}

let leaving = 0

/** Is a copy or a picture on its way out of the page? */
export function isLeaving(): boolean {
  return leaving > 0
}

export async function copyText(text: string, what: string): Promise<void> {
  leaving++
  await navigator.clipboard.writeText(text).then(
    () => announce(`${what} copied`),
    () => announce('copying is not allowed here'),
  )
  leaving--
}

/** The chosen call as text, as the panel shows it; else the table; else the stack. */
export function shownText(session: Session): string {
  const panel = document.querySelector('.panel-body:not([hidden])')
  if (!panel) return ''
  const lines: string[] = [`${session.opened.name}  ${location.href}`, '']
  const put = (text: string | null | undefined) => {
    if (text) lines.push(text.trim())
  }
  for (const element of panel.querySelectorAll(
    'h2, h3, .place, .scope, .facts dt, .table tr, .stack li, figcaption',
  )) {
    if (element.matches('dt'))
      put(`${element.textContent}: ${element.nextElementSibling?.textContent ?? ''}`)
    else if (element instanceof HTMLTableRowElement)
      put([...element.cells].map((cell) => cell.textContent.trim()).join('\t'))
    else put(element.textContent)
  }
  return lines.join('\n') + '\n'
}

/** As one word of a shell. */
function quoted(text: string): string {
  return `'${text.replace(/'/g, `'\\''`)}'`
}

/** The command that prints what the window (or the area) shows. */
export function reportCommand(session: Session): string {
  const { from, to } = session.area ?? session.span
  const start = `${Math.floor(Math.max(from, 0))}ns`
  let command = `marey report ${quoted(session.opened.name)} --from ${start}`
  command += ` --to ${Math.ceil(Math.max(to, 0))}ns`
  for (const lane of session.area?.lanes ?? []) {
    // A pattern: what is special in one stands for itself in brackets.
    const name = laneName(session.info.lanes[lane]!).replace(/[[*?]/g, '[$&]')
    command += ` --thread ${quoted(name)}`
  }
  const { depth, shortest } = session.filter
  if (depth > 0) command += ` --max-depth ${depth}`
  if (shortest > 0) command += ` --min-duration ${shortest}ns`
  return command
}

export function savePicture(timeline: Timeline, name: string): void {
  const { canvas, overlay } = timeline
  const picture = document.createElement('canvas')
  picture.width = canvas.width
  picture.height = canvas.height
  const context = picture.getContext('2d')
  context?.drawImage(canvas, 0, 0)
  context?.drawImage(overlay, 0, 0)
  leaving++
  picture.toBlob((blob) => {
    leaving--
    if (!blob) return
    const link = document.createElement('a')
    link.href = URL.createObjectURL(blob)
    link.download = name
    link.click()
    URL.revokeObjectURL(link.href)
  })
}

/** A lane's name; with its process where there are several. */
export function laneTitle(session: Session, index: number): string {
  const { lanes, processes } = session.info
  const lane = lanes[index]
  if (!lane) return `lane ${index}`
  const name = laneName(lane)
  return processes.length > 1
    ? `${name}  (pid ${processes[lane.process]?.pid ?? '?'})`
    : name
}
