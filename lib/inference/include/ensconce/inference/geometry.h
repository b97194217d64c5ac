#pragma once

#include <array>
#include <span>
#include <vector>

#include "ensconce/inference/wiped.h"

namespace ensconce {

// Point is in pixels, x to the right and y down; a pixel's own coordinates are those of its centre.
struct Point {
  double x = 0;
  double y = 0;

  friend bool operator==(const Point&, const Point&) = default;
};

// Quad is four corners one after the other; where text is in it: its beginning above, its end
// above, its end below, its beginning below, as one reads it.
using Quad = std::array<Point, 4>;

double distance(const Point& a, const Point& b);

// convex_hull returns the corners of the hull of points sorted by y, then x; none of them on a line
// between its neighbours. Fewer than three come back as they are.
WipedVector<Point> convex_hull(std::span<const Point> points);

// RotatedRect is a rectangle whose width runs along `axis`, of length 1.
struct RotatedRect {
  Point center;
  Point axis{1, 0};
  double width = 0;
  double height = 0;
};

// min_area_rect returns the smallest rectangle around a hull: one side of it lies on an edge of the
// hull (Freeman and Shapira, 1975). A hull of fewer than three corners gives one without an area.
RotatedRect min_area_rect(std::span<const Point> hull);

// corners_of returns the corners so that the first two are above the others and run left to right:
// of the two left ones the upper, of the two right ones the upper, then the lower two.
Quad corners_of(const RotatedRect& rect);
Quad upright(Quad corners);

// turned_left numbers the corners anew after a quarter turn to the left of what is shown between
// them, turned_round after half a turn.
Quad turned_left(const Quad& corners);
Quad turned_round(const Quad& corners);

}  // namespace ensconce
