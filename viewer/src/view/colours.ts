/** The theme's colours, read once from the style sheet. */

const FAMILY = 'system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif'

export interface Colours {
  dark: boolean
  font: string
  smallFont: string
  label: string
  text: string
  muted: string
  line: string
  background: string
  raised: string
  loss: string
  cursor: string
  accent: string
  onAccent: string
  area: string
  areaStrong: string
  mark: string
  playhead: string
  chosen: string
}

export function readColours(dark: boolean): Colours {
  const style = getComputedStyle(document.documentElement)
  const get = (name: string) => style.getPropertyValue(name).trim()
  const size = Number.parseFloat(get('--canvas-font')) || 11.5
  return {
    dark,
    font: `${size}px ${FAMILY}`,
    smallFont: `${size - 1.5}px ${FAMILY}`,
    label: dark ? '#f2f4f7' : '#14202e',
    text: get('--text'),
    muted: get('--muted'),
    line: get('--line'),
    background: get('--ground'),
    raised: get('--raised'),
    loss: get('--loss'),
    cursor: get('--cursor'),
    accent: get('--accent'),
    onAccent: get('--on-accent'),
    area: get('--area'),
    areaStrong: get('--area-strong'),
    mark: get('--mark'),
    playhead: get('--playhead'),
    chosen: get('--chosen'),
  }
}
