import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { loadMasterKey } from '../../src/platform/master-key.ts';

let scratch: string;
let dataDir: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'muniment-key-'));
  dataDir = join(scratch, 'data');
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

const embedded = () => ({ masterKey: null, databaseUrl: null, dataDir });

test('the configured key is used, and nothing is written', () => {
  const masterKey = Buffer.alloc(32, 1);
  expect(loadMasterKey({ ...embedded(), masterKey })).toBe(masterKey);
  expect(readdirSync(scratch)).toEqual([]);
});

test('a key is made once, for this OS user alone', () => {
  const key = loadMasterKey(embedded());
  expect(key).toHaveLength(32);
  expect(loadMasterKey(embedded())).toEqual(key);
  expect(readdirSync(dataDir)).toEqual(['master.key']);
  expect(statSync(join(dataDir, 'master.key')).mode & 0o777).toBe(0o600);
  expect(statSync(dataDir).mode & 0o777).toBe(0o700);

  rmSync(dataDir, { recursive: true });
  expect(loadMasterKey(embedded())).not.toEqual(key);
});

test('no new key is made beside data that was sealed under another', () => {
  mkdirSync(join(dataDir, 'postgres'), { recursive: true });
  expect(() => loadMasterKey(embedded())).toThrow(/master\.key is missing.*restore it.*MASTER_KEY/);
  expect(readdirSync(dataDir)).toEqual(['postgres']);
});

test('a spoilt or public key file is refused and left alone', () => {
  loadMasterKey(embedded());
  const path = join(dataDir, 'master.key');
  chmodSync(path, 0o640);
  expect(() => loadMasterKey(embedded())).toThrow(/chmod 600/);
  chmodSync(path, 0o600);
  writeFileSync(path, 'half a k');
  expect(() => loadMasterKey(embedded())).toThrow(/does not hold a master key/);
  expect(readFileSync(path, 'utf8')).toBe('half a k');
});

test('a database of somebody else needs a configured key', () => {
  expect(() => loadMasterKey({ ...embedded(), databaseUrl: 'postgres://db/x' })).toThrow(
    /MASTER_KEY/,
  );
});
