/** What of a name is written where there is no room for all of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fitted } from './canvas'

/** Letters of this are 10 wide, all of them. */
const context = {
  measureText: (text: string) => ({ width: 10 * text.length }),
} as unknown as CanvasRenderingContext2D
const written = (name: string, letters: number) =>
  fitted(context, 'a font', name, 10 * letters)

test('a name gives way from its front, then from its end', () => {
  const name = 'BaseEventLoop._run_once'
  assert.equal(written(name, 30), name)
  assert.equal(written(name, 12), '_run_once')
  assert.equal(written(name, 7), '_run_o…')
  assert.equal(written(name, 2), '')
})

test('what follows a point is a name only if it looks like one', () => {
  assert.equal(written('outer.<lambda>', 9), 'outer.<l…')
  assert.equal(written('load 3.5 MB', 9), 'load 3.5…')
})
