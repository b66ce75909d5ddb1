import { createRequire } from 'node:module';

/**
 * Cedar, as far as this room uses it. Each value of it is a WebAssembly instance of its own: a text nested too deeply
 * corrupts an instance for good (every later call throws a RuntimeError), and parsed policies cannot be freed one by one,
 * so an instance is thrown away as a whole.
 */
export type Engine = Pick<
  typeof import('@cedar-policy/cedar-wasm/nodejs'),
  'policyToJson' | 'preparsePolicySet' | 'preparseSchema' | 'statefulIsAuthorized' | 'validate'
>;

/** A new instance, about 10 ms after the first. */
export function freshEngine(): Engine {
  const require = createRequire(import.meta.url);
  const path = require.resolve('@cedar-policy/cedar-wasm/nodejs');
  // The package instantiates its module when it is loaded; only loading it again makes another instance.
  delete require.cache[path];
  // The package's own declaration of what stands at that path.
  return require(path) as Engine;
}

/** The instance itself is broken, not just the call. */
export function isEngineFailure(error: unknown): boolean {
  return error instanceof Error && (error.name === 'RuntimeError' || error instanceof RangeError);
}
