/** Making elements. Text is always set as text: names in a trace may hold anything. */

type Child = Node | string | null | undefined | false

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number | boolean | ((event: never) => void)> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function')
      element.addEventListener(
        name.replace(/^on/, ''),
        value as unknown as EventListener,
      )
    else if (value === true) element.setAttribute(name, '')
    else if (value !== false) element.setAttribute(name, String(value))
  }
  for (const child of children) if (child) element.append(child)
  return element
}

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id)
  if (!element) throw new Error(`the page has no #${id}`)
  return element as T
}

export function replace(element: Element, ...children: Child[]): void {
  element.replaceChildren(...children.filter((c): c is Node | string => Boolean(c)))
}

const live = () => document.getElementById('live')

/** Says a line to a screen reader. */
export function announce(text: string): void {
  const element = live()
  if (element) element.textContent = text
}
