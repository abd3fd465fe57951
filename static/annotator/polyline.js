// Encoded polylines of precision 5, as all of MapQaTor's shapes are.

export function decode(encoded) {
  const points = [];
  let index = 0;
  const sums = [0, 0];
  while (index < encoded.length) {
    for (const axis of [0, 1]) {
      let value = 0;
      let shift = 0;
      let chunk;
      do {
        chunk = encoded.charCodeAt(index) - 63;
        index += 1;
        value |= (chunk & 31) << shift;
        shift += 5;
      } while (chunk >= 32 && index < encoded.length);
      sums[axis] += value & 1 ? ~(value >> 1) : value >> 1;
    }
    points.push([sums[1] / 1e5, sums[0] / 1e5]);
  }
  return points;
}
