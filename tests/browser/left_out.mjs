// The table of functions where --max-overhead left some out: node left_out.mjs ADDRESS
import { start } from './driver.mjs'

const [address] = process.argv.slice(2)
const { browser, page, shown, act, open } = await start()
await open(address)
const table = async () => {
    await page.waitForSelector('tr[data-function]')
    return page.$$eval('tr[data-function]', (list) =>
        list.map((row) => [...row.cells].slice(0, 4).map((cell) => cell.textContent)),
    )
}
await page.keyboard.press('2')
shown.whole = await table()
shown.told = await page.$$eval('tr[data-function] td:nth-child(2)', (list) =>
    list.map((cell) => cell.title),
)
await act('session.chooseArea({ from: 0, to: 1900, lanes: null })')
shown.before = await table()
await act('session.chooseArea({ from: 0, to: 9000, lanes: null })')
shown.after = await table()
await browser.close()
console.log(JSON.stringify(shown))
