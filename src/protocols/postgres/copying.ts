import { encodeFrontend } from './codec-frontend.ts';
import type { ClientFrame, ClientInput } from './input.ts';
import type { Outbox } from './outbox.ts';
import { COPY_DATA, COPY_DONE, COPY_FAIL, FLUSH, SYNC } from './tags.ts';
import type { Work } from './work.ts';

/** The client's side of a COPY FROM STDIN, from the target's word that it takes data to the end of it. */
export class CopyIn {
  /** The action whose data is coming. */
  work: Work | null = null;
  private midMessage = false;
  private readonly input: ClientInput;
  private readonly out: Outbox;

  constructor(input: ClientInput, out: Outbox) {
    this.input = input;
    this.out = out;
  }

  begin(work: Work): void {
    this.work = work;
    // Data need not be whole to be passed on.
    this.input.stream(true);
  }

  end(): void {
    this.work = null;
    this.input.stream(false);
  }

  /** The target has been sent part of a message. */
  get cut(): boolean {
    return this.midMessage;
  }

  /** Whether the message belongs to a COPY, or is one that means nothing outside of one and is dropped there, as the server does. */
  takes(frame: ClientFrame): boolean {
    if (this.work === null && !this.midMessage) {
      return frame.tag === COPY_DATA || frame.tag === COPY_DONE || frame.tag === COPY_FAIL;
    }
    this.message(frame);
    return true;
  }

  private message(frame: ClientFrame): void {
    switch (frame.tag) {
      case COPY_DATA:
        // A message that was begun is finished, whatever has become of the COPY.
        this.midMessage = frame.piece === 'first' || frame.piece === 'middle';
        this.out.relay(frame.buffer, frame.start, frame.end);
        return;
      case COPY_DONE:
        // It has no body (manual, "Message Formats"); one that has is passed on without it, as the server would read it.
        this.out.relay(DONE);
        this.end();
        return;
      case COPY_FAIL:
        this.out.relay(frame.buffer, frame.start, frame.end);
        this.end();
        return;
      case FLUSH:
      case SYNC:
        // The server ignores these during a COPY (manual, "COPY Operations").
        return;
      default:
        // Anything else makes the COPY fail at the server, and is lost.
        this.out.relay(
          encodeFrontend({ type: 'copy-fail', message: `unexpected message type 0x${frame.tag.toString(16)}` }),
        );
        this.end();
    }
  }
}

const DONE = encodeFrontend({ type: 'copy-done' });
