import type { Readable } from 'node:stream';
import { CommandFailure } from './failure.ts';

export interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

/** Reads server-sent events (WHATWG HTML §9.2.6): fields by line, an empty line sends, a colon first is a comment. */
export async function* readEvents(stream: Readable, stop: AbortSignal): AsyncGenerator<ServerEvent> {
  let rest = '';
  let event = 'message';
  let data: string[] = [];
  const decoder = new TextDecoder();
  try {
    for await (const part of stream) {
      // Without an encoding set, a stream of bytes gives buffers.
      rest += decoder.decode(part as Buffer, { stream: true });
      if (rest.length > LINE_CHARACTERS_MAX)
        throw new CommandFailure('GATEWAY_UNREACHABLE', 'a line of the stream is too long');
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line === '') {
          if (data.length > 0) yield { event, data: data.join('\n') };
          event = 'message';
          data = [];
          continue;
        }
        const colon = line.indexOf(':');
        const field = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
        if (field === 'event') event = value;
        else if (field === 'data') data.push(value);
      }
    }
  } catch (error) {
    // Ctrl-C is how one stops following.
    if (!stop.aborted) throw error;
  }
}

const LINE_CHARACTERS_MAX = 16 * 1024 * 1024;
