import type { ServerResponse } from 'node:http';
import type { TailEvent } from './contract.ts';

export interface TailOptions {
  readonly buffer_bytes_max: number;
  readonly heartbeat_ms: number;
  /** How long a reader that was dropped may take to read the rest. */
  readonly farewell_ms: number;
  /** Asked at each heartbeat; `false` ends the tail. */
  readonly stillAllowed: () => boolean;
  readonly closed: () => void;
}

export interface Tail {
  send(event: TailEvent): void;
  /** Sends the last event and closes. */
  end(event: TailEvent): void;
}

/**
 * A stream of server-sent events (WHATWG HTML §9.2). A reader that falls behind is told so and dropped: what waits for
 * him lies in our memory, and the record has it all.
 */
export function openTail(response: ServerResponse, options: TailOptions): Tail {
  let open = true;
  let waiting_bytes = 0;
  const write = (text: string): void => {
    const bytes = Buffer.from(text, 'utf8');
    waiting_bytes += bytes.length;
    response.write(bytes, () => {
      waiting_bytes -= bytes.length;
    });
  };
  const end = (event: TailEvent): void => {
    if (!open) return;
    stop();
    write(render(event));
    response.end();
    setTimeout(() => response.destroy(), options.farewell_ms).unref();
  };
  const heartbeat = setInterval(() => {
    if (!options.stillAllowed()) end({ event: 'end', data: { why: 'no longer permitted' } });
    else if (waiting_bytes === 0) write(': still here\n\n');
  }, options.heartbeat_ms);
  heartbeat.unref();
  const stop = (): void => {
    if (!open) return;
    open = false;
    clearInterval(heartbeat);
    options.closed();
  };
  response.on('close', stop);
  response.on('error', stop);
  write(': follows the record\n\n');
  return {
    send(event) {
      if (!open) return;
      if (waiting_bytes > options.buffer_bytes_max) {
        end({ event: 'dropped', data: { why: `the reader is ${waiting_bytes} bytes behind` } });
        return;
      }
      write(render(event));
    },
    end,
  };
}

/** JSON has no raw line break, so one `data:` line holds it. */
function render(event: TailEvent): string {
  const id = event.event === 'entry' ? `id: ${event.data.entry}\n` : '';
  return `event: ${event.event}\n${id}data: ${JSON.stringify(event.data)}\n\n`;
}
