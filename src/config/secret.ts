import { inspect } from 'node:util';
import { GatewayError } from '../core/errors.ts';

/** Where secrets are looked up when they are used. */
export interface SecretSource {
  environment(name: string): string | undefined;
  /** Throws when it cannot be read. */
  file(path: string): string;
}

/**
 * A secret by reference. It is looked up each time it is used, so that a rotated file is picked up without a reload, and
 * nothing that prints, inspects or serialises it can show its value: it is not there.
 */
export class SecretRef {
  /** `env:NAME`, `file:/path` or `literal`. */
  readonly source: string;
  readonly #lookUp: () => string;

  constructor(source: string, lookUp: () => string) {
    this.source = source;
    this.#lookUp = lookUp;
  }

  /** The value, for the one place that sends it. */
  reveal(): string {
    return this.#lookUp();
  }

  toString(): string {
    return `[secret ${this.source}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

export type SecretText =
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'literal'; readonly value: string }
  | { readonly kind: 'malformed'; readonly why: string };

/** Reads `${env:NAME}` and `${file:PATH}`; a reference is the whole value or nothing. */
export function parseSecret(text: string): SecretText {
  if (!text.includes('${')) return { kind: 'literal', value: text };
  const reference = /^\$\{([a-z0-9-]+):([^${}]+)\}$/.exec(text);
  const [, scheme, rest] = reference ?? [];
  if (scheme === undefined || rest === undefined) {
    return { kind: 'malformed', why: `a reference is the whole value: \${env:NAME} or \${file:PATH}` };
  }
  if (scheme === 'env') {
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(rest)) return { kind: 'env', name: rest };
    return { kind: 'malformed', why: `no environment variable can be called ${JSON.stringify(rest)}` };
  }
  if (scheme === 'file') return { kind: 'file', path: rest };
  return { kind: 'malformed', why: `secrets from ${JSON.stringify(scheme)} are not supported by this version` };
}

/** `absolute` turns a path of the configuration into one of this machine. */
export function secretRef(text: SecretText, source: SecretSource, absolute: (path: string) => string): SecretRef {
  switch (text.kind) {
    case 'env':
      return new SecretRef(`env:${text.name}`, () => {
        const value = source.environment(text.name);
        if (value === undefined || value === '') throw absent(`environment variable ${text.name} is not set`);
        return value;
      });
    case 'file': {
      const path = absolute(text.path);
      return new SecretRef(`file:${path}`, () => readSecretFile(path, source));
    }
    case 'literal':
      return new SecretRef('literal', () => text.value);
    case 'malformed':
      throw absent(text.why);
  }
}

/** The file's text without its last line break, which editors and `echo` add. */
function readSecretFile(path: string, source: SecretSource): string {
  let text: string;
  try {
    text = source.file(path);
  } catch (cause) {
    // What the system says names the path and the failure, never content.
    throw absent(`secret file ${path} cannot be read (${errorCode(cause)})`);
  }
  const value = text.replace(/\r?\n$/, '');
  if (value === '') throw absent(`secret file ${path} is empty`);
  return value;
}

export function errorCode(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
}

function absent(message: string): GatewayError {
  return new GatewayError('SECRET_UNAVAILABLE', message);
}
