import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { Cancels } from '../../src/gateway/cancels.ts';
import { Catalogues } from '../../src/gateway/catalogues.ts';

function setup(read: (before: unknown) => Promise<unknown>) {
  let now = 0;
  let changes = 0;
  const catalogues = new Catalogues({
    readerOf: () => ({ read }),
    refresh_ms: 1_000,
    now: () => now,
    changed: () => (changes += 1),
  });
  return { catalogues, advance: (ms: number) => (now += ms), changes: () => changes };
}

describe('a catalogue', () => {
  test('is read once for many, and again when it is old', async () => {
    let reads = 0;
    const { catalogues, advance } = setup(async () => ({ read: (reads += 1) }));
    await Promise.all([catalogues.current('crm', 'crm'), catalogues.current('crm', 'crm')]);
    await catalogues.current('crm', 'crm');
    const before = reads;
    advance(1_000);
    await catalogues.current('crm', 'crm');
    expect(before).toBeLessThanOrEqual(2);
    expect(reads).toBe(before + 1);
  });

  test('that was being read when a refresh is asked for is read once more: the change may be newer', async () => {
    const gates: (() => void)[] = [];
    let reads = 0;
    const { catalogues } = setup(async () => {
      reads += 1;
      const mine = reads;
      await new Promise<void>((resolve) => gates.push(resolve));
      return { mine };
    });
    const first = catalogues.refresh('crm', 'crm');
    const second = catalogues.refresh('crm', 'crm');
    gates.shift()?.();
    expect(await first).toEqual({ mine: 1 });
    await expect.poll(() => gates.length).toBe(1);
    gates.shift()?.();
    expect(await second).toEqual({ mine: 2 });
  });

  test('tells its listeners, and everybody whose decisions are void, only when it differs', async () => {
    const same = { version: 1 };
    let next: unknown = same;
    const { catalogues, changes } = setup(async () => next);
    const heard: unknown[] = [];
    const stop = catalogues.watch('crm', 'crm', (snapshot) => heard.push(snapshot));
    await catalogues.refresh('crm', 'crm');
    await catalogues.refresh('crm', 'crm');
    next = { version: 2 };
    await catalogues.refresh('crm', 'crm');
    stop();
    next = { version: 3 };
    await catalogues.refresh('crm', 'crm');
    expect(heard).toEqual([same, { version: 2 }]);
    expect(changes()).toBe(2);
  });

  test('that cannot be read is a named failure, and the next one tries again', async () => {
    let broken = true;
    const { catalogues } = setup(async () => {
      if (broken) throw new Error('no route to host');
      return { version: 1 };
    });
    await expect(catalogues.current('crm', 'crm')).rejects.toMatchObject({ code: 'CATALOGUE_UNAVAILABLE' });
    broken = false;
    expect(await catalogues.current('crm', 'crm')).toEqual({ version: 1 });
  });

  test('that cannot be read because the target is away says that the target is away', async () => {
    const away = new GatewayError('TARGET_UNREACHABLE', 'cannot connect to the target: ECONNREFUSED');
    const { catalogues } = setup(async () => {
      throw away;
    });
    await expect(catalogues.current('crm', 'crm')).rejects.toBe(away);
  });
});

describe('a cancel key', () => {
  test('reaches the session it was given to, and no other of the same process id', () => {
    const cancels = new Cancels();
    const heard: string[] = [];
    const forget = cancels.register(42, Buffer.from('one!'), () => heard.push('one'));
    cancels.register(42, Buffer.from('two!'), () => heard.push('two'));
    expect(cancels.cancel(42, Buffer.from('two!'))).toBe(true);
    expect(cancels.cancel(42, Buffer.from('six!'))).toBe(false);
    expect(cancels.cancel(42, Buffer.from('two'))).toBe(false);
    expect(cancels.cancel(43, Buffer.from('one!'))).toBe(false);
    forget();
    expect(cancels.cancel(42, Buffer.from('one!'))).toBe(false);
    expect(heard).toEqual(['two']);
  });
});
