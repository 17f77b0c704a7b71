/** The tree of a flame graph, upright or inverted, and its boxes. Pure. */

/** Calling contexts as the core tells them; parents by number from 1, 0: none. */
export interface Tree {
  parent: number[]
  function: number[]
  calls: number[]
  total: number[]
  self: number[]
}

export class FlameTree {
  readonly parent: number[] = [-1]
  readonly fn: number[] = [-1]
  readonly total: number[] = [0]
  readonly self: number[] = [0]
  readonly calls: number[] = [0]
  private readonly children: number[][] = [[]]
  private readonly known = new Map<string, number>()

  child(parent: number, fn: number): number {
    const key = `${parent}:${fn}`
    const found = this.known.get(key)
    if (found !== undefined) return found
    const node = this.fn.length
    this.parent.push(parent)
    this.fn.push(fn)
    this.total.push(0)
    this.self.push(0)
    this.calls.push(0)
    this.children.push([])
    this.children[parent]!.push(node)
    this.known.set(key, node)
    return node
  }

  childrenOf(node: number): readonly number[] {
    return this.children[node] ?? []
  }

  /** The longest first: left-heavy. */
  sort(): void {
    for (const list of this.children)
      list.sort((a, b) => this.total[b]! - this.total[a]! || a - b)
  }

  depthBelow(root: number): number {
    let deepest = 0
    const walk: [number, number][] = [[root, 0]]
    for (let next = walk.pop(); next; next = walk.pop()) {
      deepest = Math.max(deepest, next[1])
      if (next[1] < 400)
        for (const child of this.childrenOf(next[0])) walk.push([child, next[1] + 1])
    }
    return deepest
  }
}

/** From the core's columns; contexts are numbered from 1, 0 is the root. */
export function upright(tree: Tree): FlameTree {
  const flame = new FlameTree()
  const nodes = [0]
  tree.function.forEach((fn, i) => {
    const node = flame.child(nodes[tree.parent[i]!] ?? 0, fn)
    nodes.push(node)
    flame.total[node]! += tree.total[i]!
    flame.self[node]! += tree.self[i]!
    flame.calls[node]! += tree.calls[i]!
  })
  for (const node of flame.childrenOf(0)) flame.total[0]! += flame.total[node]!
  flame.sort()
  return flame
}

const INVERTED_DEPTH = 60

/** Self times by function, their callers below. */
export function inverted(tree: Tree): FlameTree {
  const flame = new FlameTree()
  tree.function.forEach((_, i) => {
    const self = tree.self[i]!
    if (self <= 0 && tree.calls[i]! === 0) return
    let node = 0
    flame.total[0]! += self
    for (let at = i + 1, depth = 0; at > 0 && depth < INVERTED_DEPTH; depth++) {
      node = flame.child(node, tree.function[at - 1]!)
      flame.total[node]! += self
      flame.calls[node]! += tree.calls[i]!
      if (depth === 0) flame.self[node]! += self
      at = tree.parent[at - 1]!
    }
  })
  flame.sort()
  return flame
}

export interface FlameBox {
  node: number
  row: number
  left: number
  width: number
}

/** Boxes of the subtree at `root`, those narrower than `least` left out. */
export function flameBoxes(
  tree: FlameTree,
  root: number,
  width: number,
  least: number,
): FlameBox[] {
  const boxes: FlameBox[] = []
  const scale = width / Math.max(tree.total[root] ?? 0, 1)
  const walk: FlameBox[] = [{ node: root, row: 0, left: 0, width }]
  for (let box = walk.pop(); box; box = walk.pop()) {
    boxes.push(box)
    let left = box.left
    for (const child of tree.childrenOf(box.node)) {
      const size = tree.total[child]! * scale
      if (size < least) break // the rest is smaller still
      walk.push({ node: child, row: box.row + 1, left, width: size })
      left += size
    }
  }
  return boxes
}
