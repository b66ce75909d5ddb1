import type { z } from 'zod';
import type { GatewayClient } from './client.ts';
import { CommandFailure } from './failure.ts';

/** Asks the gateway and takes only an answer of the agreed shape. */
export async function ask<Schema extends z.ZodType>(
  client: GatewayClient,
  schema: Schema,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<z.output<Schema>> {
  const answer = schema.safeParse(await client.call(method, path, body));
  if (answer.success) return answer.data;
  const [issue] = answer.error.issues;
  const where = issue === undefined ? '' : `: ${issue.path.join('.')} ${issue.message}`;
  throw new CommandFailure(
    'GATEWAY_UNREACHABLE',
    `the gateway answers in another shape${where}`,
    'is it of another version?',
  );
}

/** A path with its variable parts escaped, and a query without what is undefined. */
export function route(
  parts: readonly string[],
  query: Readonly<Record<string, string | number | undefined>> = {},
): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  const text = search.toString();
  return `/api/v1/${parts.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`;
}
