/** The theme's colours, read once from the style sheet. */

export interface Colours {
  dark: boolean
  font: string
  label: string
  text: string
  muted: string
  line: string
  background: string
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
  return {
    dark,
    font: '11.5px system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif',
    label: dark ? '#f2f4f7' : '#14202e',
    text: get('--text'),
    muted: get('--muted'),
    line: get('--line'),
    background: get('--ground'),
    accent: get('--accent'),
    onAccent: get('--on-accent'),
    area: get('--area'),
    areaStrong: get('--area-strong'),
    mark: get('--mark'),
    playhead: get('--playhead'),
    chosen: get('--chosen'),
  }
}
