// A page in a browser, for the scripts beside: what they ask of it and wait for.
// Nothing here waits for time to pass. Each thing done to the page ends when the page
// says that nothing is under way any more; so what is read then is what was meant, also
// where nothing is to be shown, however busy the machine.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const require = createRequire(join(here, '../../viewer/package.json'))
const { chromium } = require('playwright-core')

const HANGS_MS = 60000 // no test waits so long for what works
const POLL_MS = 20
const CALM_FRAMES = 2 // after what is asked in one, the next is drawn

const DEEDS = {
    page: ['click', 'dblclick', 'hover', 'focus', 'fill', 'press', 'check', 'uncheck'],
    mouse: ['move', 'down', 'up', 'click', 'dblclick', 'wheel'],
    keyboard: ['press', 'type', 'down', 'up'],
}

/** In the page: resolves with '' after frames in which nothing was under way (or the film
 * plays, which only ends when it is told to), or with what never ended. Events of the
 * pointer wait for a frame; so they have arrived, too. */
function calm([frames, most]) {
    return new Promise((resolve, reject) => {
        const end = performance.now() + most
        let left = frames
        const glides = () =>
            document
                .getAnimations()
                .filter((one) => one.playState === 'running')
                .some((one) => one.effect.getComputedTiming().endTime < Infinity)
        const look = () => {
            try {
                next()
            } catch (error) {
                reject(error)
            }
        }
        const next = () => {
            const app = globalThis.marey?.running()?.app
            let begun = app?.underWay() ?? []
            if (begun.includes('the film')) begun = []
            else if (glides()) begun.push('an animation')
            left = begun.length > 0 ? frames : left - 1
            if (left <= 0) resolve('')
            else if (performance.now() > end) resolve(begun.join(', '))
            else requestAnimationFrame(look)
        }
        requestAnimationFrame(look)
    })
}

export async function start(options = {}) {
    const browser = await chromium.launch({
        executablePath: process.env.MAREY_CHROMIUM ?? '/usr/bin/chromium',
        headless: true,
        args: [
            '--no-sandbox',
            '--disable-gpu',
            '--disable-quic',
            '--no-first-run',
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-sync',
        ],
        timeout: HANGS_MS,
    })
    const page = await browser.newPage({
        viewport: { width: 1280, height: 800 },
        ...options,
    })
    page.setDefaultTimeout(HANGS_MS)
    const shown = { errors: [], requests: [] }
    page.on('pageerror', (error) => shown.errors.push(error.stack))
    page.on(
        'console',
        (line) => line.type() === 'error' && shown.errors.push(line.text()),
    )
    page.on('request', (request) =>
        shown.requests.push(request.url().replace(/^blob:.*/, 'blob:')),
    )

    /** Until nothing is under way. */
    async function idle() {
        const begun = await page.evaluate(calm, [CALM_FRAMES, HANGS_MS])
        if (begun) throw new Error(`never ended: ${begun}`)
    }
    for (const [name, deeds] of Object.entries(DEEDS)) {
        const owner = name === 'page' ? page : page[name]
        for (const deed of deeds) {
            const plain = owner[deed].bind(owner)
            owner[deed] = async (...words) => {
                await plain(...words)
                await idle()
            }
        }
    }

    const inPage = (expression) =>
        `(() => { const r = globalThis.marey?.running(); if (!r) return undefined; const { session, app } = r; return ${expression} })()`
    /** What an expression over `session` and `app` is. */
    const session = (expression) => page.evaluate(inPage(expression))
    /** Does what an expression over `session` and `app` says. */
    async function act(expression) {
        await page.evaluate(inPage(`void (${expression})`))
        await idle()
    }
    // The page allows no eval, which waitForFunction needs; evaluate goes another way.
    async function until(expression) {
        const end = Date.now() + HANGS_MS
        while (!(await page.evaluate(expression))) {
            if (Date.now() > end) throw new Error(`never so: ${expression}`)
            await new Promise((resolve) => setTimeout(resolve, POLL_MS))
        }
    }
    const settle = (expression) => until(inPage(expression))
    /** Goes to a page of a trace, until all of it is there. */
    async function open(address) {
        await page.goto('about:blank') // another place in the same page is no new page
        await page.goto(address)
        await settle('session.hasData')
        await idle()
    }
    /** The address, once it says what is shown. */
    async function place() {
        await settle('!app.places.isWaiting')
        return page.evaluate('location.href')
    }
    const rows = (selector) =>
        page.$$eval(selector, (list) =>
            list.map((row) => ({
                fn: row.dataset.function,
                cells: [...row.cells].map((cell) => cell.title || cell.textContent),
            })),
        )
    const words = { session, act, until, settle, idle, open, place, rows }
    return { browser, page, shown, ...words }
}
