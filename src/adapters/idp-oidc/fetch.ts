/** What a provider answered, or why there is no answer. Nothing of what it sent stands in `why`. */
export type Fetched =
  | { readonly outcome: 'fetched'; readonly value: unknown }
  | { readonly outcome: 'failed'; readonly why: string };

export interface FetchRules {
  readonly deadline_ms: number;
  readonly bytes_max: number;
}

/** A JSON document over https, or over http from this very machine: one request, one deadline, no redirect, no more than so many bytes. */
export async function fetchJson(url: string, rules: FetchRules): Promise<Fetched> {
  if (!fetchable(url)) return failed(`${url} is neither https nor on loopback`);
  const signal = AbortSignal.timeout(rules.deadline_ms);
  try {
    const response = await fetch(url, { redirect: 'manual', signal, headers: { accept: 'application/json' } });
    if (response.status !== 200) {
      await response.body?.cancel();
      return failed(`${url} answered ${response.status}`);
    }
    const bytes = await readBounded(response, rules.bytes_max);
    if (bytes === null) return failed(`${url} answered more than ${rules.bytes_max} bytes`);
    return { outcome: 'fetched', value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) };
  } catch (error) {
    if (signal.aborted) return failed(`${url} did not answer within ${rules.deadline_ms} ms`);
    return failed(
      error instanceof SyntaxError ? `${url} did not answer JSON` : `${url} cannot be reached (${codeOf(error)})`,
    );
  }
}

export function fetchable(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname, username, password } = new URL(url);
  if (username !== '' || password !== '') return false;
  const loopback = hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
  return protocol === 'https:' || (protocol === 'http:' && loopback);
}

async function readBounded(response: Response, bytes_max: number): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    // Leaving the loop cancels the body.
    if (length > bytes_max) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function codeOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'no connection';
}

function failed(why: string): Fetched {
  return { outcome: 'failed', why };
}
