// The shapes that stand for places on the base map. The map style asks for images named {kind}-{theme}; the names are
// those of KINDS in annotator/web/palette.py. Every kind has a shape of its own, so that colour is never alone.

const SIZE = 14;

const polygon = (context, corners, turn, radius) => {
  for (let index = 0; index < corners; index += 1) {
    const angle = turn + (index * 2 * Math.PI) / corners;
    context.lineTo(Math.sin(angle) * radius, -Math.cos(angle) * radius);
  }
  context.closePath();
};

const SHAPES = {
  food: (context) => context.arc(0, 0, 4.4, 0, 2 * Math.PI),
  shop: (context) => context.rect(-3.9, -3.9, 7.8, 7.8),
  health(context) {
    context.rect(-1.6, -4.8, 3.2, 9.6);
    context.rect(-4.8, -1.6, 9.6, 3.2);
  },
  culture: (context) => polygon(context, 4, 0, 5.4),
  lodging: (context) => polygon(context, 3, 0, 5.4),
  transport: (context) => polygon(context, 6, 0, 4.9),
  civic: (context) => polygon(context, 5, 0, 5),
  leisure: (context) => polygon(context, 3, Math.PI, 5.2),
  other: (context) => context.arc(0, 0, 2.8, 0, 2 * Math.PI),
};

// colours: { theme, halo, kinds: { kind: colour } }, which the style carries as metadata. Gives [name, image] pairs.
export const shapeImages = ({ theme, halo, kinds }) =>
  Object.entries(kinds).map(([kind, colour]) => [`${kind}-${theme}`, shapeImage(SHAPES[kind], colour, halo)]);

function shapeImage(draw, colour, halo) {
  const ratio = Math.max(2, Math.ceil(window.devicePixelRatio || 1));
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIZE * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.translate(SIZE / 2, SIZE / 2);
  context.lineJoin = "round";
  context.beginPath();
  draw(context);
  // The halo goes first and thicker, so that the shape keeps its size and stays apart from what lies below.
  context.strokeStyle = halo;
  context.lineWidth = 2.6;
  context.stroke();
  context.fillStyle = colour;
  context.fill();
  return { image: context.getImageData(0, 0, canvas.width, canvas.height), pixelRatio: ratio };
}
