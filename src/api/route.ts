import { z } from 'zod';
import type { RecordEvent, View } from './contract.ts';
import type { ApiRooms, Caller, ControlAction } from './ports.ts';

/** Who may use a route. Nothing else decides it, and there is no route without it. */
export type Access =
  /** Anybody who can connect; says nothing that is not published. */
  | { readonly kind: 'public' }
  /** Anybody from this machine, else as `control`. */
  | { readonly kind: 'local'; readonly action: ControlAction }
  /** Any principal and the operator; what they see is their own. */
  | { readonly kind: 'authenticated' }
  /** A principal whom a rule of the policy permits this action by name. */
  | { readonly kind: 'control'; readonly action: ControlAction; readonly operator: boolean };

export interface Call<Params, Query, Body> {
  readonly caller: Caller;
  readonly rooms: ApiRooms;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly clientAddress: string;
}

interface Common {
  readonly path: string;
  readonly summary: string;
  readonly access: Access;
}

/** Starts sending; returns how to stop. */
export interface TailSink {
  entry(event: RecordEvent): void;
  end(why: string): void;
}

/** A route with its types forgotten: what the server registers. */
export type Route = Common & {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly params: z.ZodType;
  readonly query: z.ZodType;
  readonly body: z.ZodType | null;
} & (
    | {
        readonly kind: 'json';
        readonly status: number;
        readonly output: z.ZodType;
        answer(call: Call<unknown, unknown, unknown>): Promise<unknown>;
      }
    | {
        readonly kind: 'text';
        answer(call: Call<unknown, unknown, unknown>): Promise<{ readonly text: string; readonly contentType: string }>;
      }
    /** The description of all the others. */
    | { readonly kind: 'openapi' }
    | { readonly kind: 'tail'; start(call: Call<unknown, unknown, unknown>, sink: TailSink): Promise<() => void> }
  );

export function json<
  Output extends z.ZodType,
  Params extends z.ZodType = typeof NOTHING,
  Query extends z.ZodType = typeof NOTHING,
  Body extends z.ZodType = typeof NOTHING,
>(
  method: Route['method'],
  path: string,
  definition: {
    readonly summary: string;
    readonly access: Access;
    readonly params?: Params;
    readonly query?: Query;
    readonly body?: Body;
    readonly output: Output;
    readonly status?: number;
    readonly answer: (call: Call<z.output<Params>, z.output<Query>, z.output<Body>>) => Promise<View<Output>>;
  },
): Route {
  return {
    kind: 'json',
    method,
    path,
    summary: definition.summary,
    access: definition.access,
    params: definition.params ?? NOTHING,
    query: definition.query ?? NOTHING,
    body: definition.body ?? null,
    output: definition.output,
    status: definition.status ?? 200,
    // The server hands over only what these very schemas gave.
    answer: definition.answer as (call: Call<unknown, unknown, unknown>) => Promise<unknown>,
  };
}

export function text(
  path: string,
  definition: Omit<Common, 'path'> & {
    readonly answer: (
      call: Call<unknown, unknown, unknown>,
    ) => Promise<{ readonly text: string; readonly contentType: string }>;
  },
): Route {
  return { kind: 'text', method: 'GET', path, params: NOTHING, query: NOTHING, body: null, ...definition };
}

export function openapi(path: string, definition: Omit<Common, 'path'>): Route {
  return { kind: 'openapi', method: 'GET', path, params: NOTHING, query: NOTHING, body: null, ...definition };
}

export function tail<Params extends z.ZodType>(
  path: string,
  definition: Omit<Common, 'path'> & {
    readonly params: Params;
    readonly start: (call: Call<z.output<Params>, unknown, unknown>, sink: TailSink) => Promise<() => void>;
  },
): Route {
  return {
    kind: 'tail',
    method: 'GET',
    path,
    query: NOTHING,
    body: null,
    ...definition,
    // As above.
    start: definition.start as (call: Call<unknown, unknown, unknown>, sink: TailSink) => Promise<() => void>,
  };
}

export const NOTHING = z.strictObject({});
