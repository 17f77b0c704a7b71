// Whether the page can be read and reached: node access.mjs ADDRESS
// Contrast of all text against what lies behind it, in both themes and every tab; names
// of what has the focus, on the way of the tabulator; whether the focus is seen.
import { start } from './driver.mjs'

const [address] = process.argv.slice(2)
const { browser, page, shown, session, act, idle, open } = await start({
    reducedMotion: 'reduce',
})
await open(address)

/** Texts whose contrast is below 4.5, or 3 where they are large. */
const pale = () =>
    page.evaluate(() => {
        const canvas = document.createElement('canvas')
        canvas.width = canvas.height = 1
        const context = canvas.getContext('2d', { willReadFrequently: true })
        /** The colours over each other, the lowest first. */
        const mixed = (colours) => {
            context.clearRect(0, 0, 1, 1)
            for (const colour of colours) {
                context.fillStyle = colour
                context.fillRect(0, 0, 1, 1)
            }
            return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
        }
        const light = (rgb) => {
            const [r, g, b] = rgb.map((one) => {
                const c = one / 255
                return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
            })
            return 0.2126 * r + 0.7152 * g + 0.0722 * b
        }
        const found = {}
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            const element = node.parentElement
            if (!node.textContent.trim() || element.closest('[aria-hidden="true"]')) continue
            if (element.closest('script, style, .unseen, [disabled]')) continue
            if (!element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }))
                continue
            const behind = []
            for (let at = element; at; at = at.parentElement)
                behind.unshift(getComputedStyle(at).backgroundColor)
            const style = getComputedStyle(element)
            let opacity = 1
            for (let at = element; at; at = at.parentElement)
                opacity *= Number(getComputedStyle(at).opacity)
            const ground = mixed(behind)
            context.globalAlpha = 1
            const ink = mixed([`rgb(${ground})`, style.color])
            const text = ink.map((one, i) => one * opacity + ground[i] * (1 - opacity))
            const [a, b] = [light(text), light(ground)]
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
            const size = Number.parseFloat(style.fontSize)
            const least = size >= 24 || (size >= 18.6 && style.fontWeight >= 600) ? 3 : 4.5
            if (ratio >= least) continue
            const name = `${element.tagName.toLowerCase()}.${element.className}`
            found[name] = `${ratio.toFixed(2)} ${node.textContent.trim().slice(0, 30)}`
        }
        return found
    })

shown.pale = {}
const look = async (name) => {
    if (process.env.MAREY_SHOTS)
        await page.screenshot({ path: `${process.env.MAREY_SHOTS}/${name}.png` })
    Object.assign(
        shown.pale,
        Object.fromEntries(
            Object.entries(await pale()).map(([key, text]) => [`${name}: ${key}`, text]),
        ),
    )
}
for (const theme of ['light', 'dark']) {
    if ((await session('session.dark')) !== (theme === 'dark')) {
        await page.focus('#overlay')
        await page.keyboard.press('t')
    }
    await act('session.choose(null)')
    await page.click('#tab-call')
    await look(`${theme} start`)
    const time = (await session('session.whole.to')) / 2
    await act(
        `app.goTo({ lane: 0, depth: 1, time: ${time}, begin: ${time}, end: ${time}, fn: 0 })`,
    )
    await page.waitForSelector('#call-facts .facts')
    await look(`${theme} call`)
    await page.click('#tab-functions')
    await page.waitForSelector('tr[data-function]')
    await page.click('tr[data-function] .link')
    await look(`${theme} functions`)
    await page.click('#tab-flame')
    await look(`${theme} flame`)
    await act('session.setPlayhead(session.whole.to / 2)')
    await page.click('#tab-film')
    await look(`${theme} film`)
    await page.focus('#overlay')
    await page.keyboard.press('i')
    await page.fill('#filter-code', 'app.*')
    await look(`${theme} filter`)
    await page.fill('#filter-code', '')
    await page.keyboard.press('Escape')
    await page.focus('#overlay')
    await page.keyboard.press('Shift+Slash')
    await look(`${theme} help`)
    await page.keyboard.press('Escape')
    await page.focus('#overlay')
    await page.keyboard.press('Shift+Period')
    await look(`${theme} palette`)
    await page.keyboard.press('Escape')
}

// With the tabulator through all of the page: each stop has a name and can be seen.
await page.click('#tab-call')
await page.evaluate('document.activeElement.blur()')
shown.stops = []
for (let i = 0; i < 60; i++) {
    await page.keyboard.press('Tab')
    const stop = await page.evaluate(() => {
        const at = document.activeElement
        if (!at || at === document.body) return null
        const label = at.labels?.[0]?.textContent ?? ''
        const style = getComputedStyle(at)
        const seen =
            (style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) > 0) ||
            style.boxShadow !== 'none'
        return {
            what: `${at.tagName.toLowerCase()}#${at.id}.${at.className}`,
            name:
                at.getAttribute('aria-label') ||
                at.title ||
                at.textContent.trim() ||
                label ||
                at.getAttribute('placeholder') ||
                '',
            seen,
        }
    })
    if (stop) shown.stops.push(stop)
}
// Tables have names and heads; nothing glides where less motion is asked for.
shown.tables = await page.evaluate(() =>
    [...document.querySelectorAll('table')].map((table) => [
        table.caption?.textContent ?? table.getAttribute('aria-label') ?? '',
        table.querySelectorAll('th').length,
    ]),
)
await page.focus('#overlay')
await page.keyboard.press('w')
shown.glides = await session('session.target !== null')
shown.moving = await page.evaluate(
    'document.body.classList.add("busy"), document.getAnimations().filter((one) => one.playState === "running").length',
)
await browser.close()
console.log(JSON.stringify(shown))
