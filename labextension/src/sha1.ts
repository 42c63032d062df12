/**
 * SHA-1 of a text (FIPS 180-4), to see whether a cell's code is still the one that ran: the kernel names runs by it.
 * Not for secrets. `crypto.subtle` is asynchronous, and absent where a Hub is served without TLS.
 */
export function sha1(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const bits = bytes.length * 8;
  const words = new Uint32Array((((bytes.length + 8) >> 6) + 1) * 16);
  bytes.forEach((byte, i) => {
    words[i >> 2] = (words[i >> 2] ?? 0) | (byte << (24 - 8 * (i % 4)));
  });
  words[bytes.length >> 2] = (words[bytes.length >> 2] ?? 0) | (0x80 << (24 - 8 * (bytes.length % 4)));
  words[words.length - 2] = Math.floor(bits / 2 ** 32);
  words[words.length - 1] = bits;

  const state = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);
  const w = new Uint32Array(80);
  const rotated = (x: number, n: number): number => (x << n) | (x >>> (32 - n));
  for (let block = 0; block < words.length; block += 16) {
    w.set(words.subarray(block, block + 16));
    for (let i = 16; i < 80; i++) {
      w[i] = rotated((w[i - 3] ?? 0) ^ (w[i - 8] ?? 0) ^ (w[i - 14] ?? 0) ^ (w[i - 16] ?? 0), 1);
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0] = state;
    w.forEach((word, i) => {
      const [f, k] =
        i < 20
          ? [(b & c) | (~b & d), 0x5a827999]
          : i < 40
            ? [b ^ c ^ d, 0x6ed9eba1]
            : i < 60
              ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc]
              : [b ^ c ^ d, 0xca62c1d6];
      [e, d, c, b, a] = [d, c, rotated(b, 30), a, (rotated(a, 5) + f + e + k + word) | 0];
    });
    [a, b, c, d, e].forEach((sum, i) => {
      state[i] = (state[i] ?? 0) + sum;
    });
  }
  return [...state].map(word => word.toString(16).padStart(8, '0')).join('');
}
