/*
 * The prelude: evaluated once per realm, before any function. It builds the library that functions
 * see, hardens the realm, and hands the C side the entries by which alone runs are entered.
 *
 * Import order matters: `first` must precede zod; the realm is tamed only after all libraries.
 */
import './first.ts';
import { Buffer } from './buffer.ts';
import { atob, btoa, DOMException, TextDecoder, TextEncoder } from './bytes.ts';
import { webCrypto } from './crypto.ts';
import * as entries from './entries.ts';
import { hardenRealm } from './harden.ts';
import { host } from './host.ts';
import { prepareFacade } from './sandbox.ts';
import { sharedObjects } from './shared.ts';
import { tameIntrinsics } from './tame.ts';
import { AbortController, AbortSignal, Headers, structuredClone } from './web.ts';

const GLOBALS = {
	Buffer, TextEncoder, TextDecoder, atob, btoa, DOMException, Headers, AbortController, AbortSignal,
	structuredClone, crypto: webCrypto,
};

for (const [name, value] of Object.entries(GLOBALS))
	Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });

tameIntrinsics();
prepareFacade();
if (host.harden)
	hardenRealm(sharedObjects);
host.entries = { ...entries };
