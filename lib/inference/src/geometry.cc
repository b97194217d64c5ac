#include "ensconce/inference/geometry.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ensconce {

namespace {

// Positive where a, b, c turn clockwise on the screen.
double turn(const Point& a, const Point& b, const Point& c) {
  return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

struct Extent {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  [[nodiscard]] double length() const { return high - low; }
  [[nodiscard]] double middle() const { return (low + high) / 2; }
};

RotatedRect rect_along(std::span<const Point> hull, const Point& axis) {
  Extent along;
  Extent across;
  for (const Point& p : hull) {
    along.include(p.x * axis.x + p.y * axis.y);
    across.include(p.y * axis.x - p.x * axis.y);
  }
  const double u = along.middle();
  const double v = across.middle();
  return {
      {u * axis.x - v * axis.y, u * axis.y + v * axis.x}, axis, along.length(), across.length()};
}

}  // namespace

double distance(const Point& a, const Point& b) { return std::hypot(a.x - b.x, a.y - b.y); }

// Andrew's monotone chain: one side, then the other.
WipedVector<Point> convex_hull(std::span<const Point> points) {
  if (points.size() < 3) {
    return {points.begin(), points.end()};
  }
  WipedVector<Point> hull;
  const auto add = [&hull](const Point& p, std::size_t fixed) {
    while (hull.size() > fixed && turn(hull[hull.size() - 2], hull.back(), p) <= 0) {
      hull.pop_back();
    }
    hull.push_back(p);
  };
  for (const Point& p : points) {
    add(p, 1);
  }
  const std::size_t fixed = hull.size();
  for (std::size_t i = points.size() - 1; i-- > 0;) {
    add(points[i], fixed);
  }
  hull.pop_back();  // the first point again
  return hull;
}

RotatedRect min_area_rect(std::span<const Point> hull) {
  RotatedRect best;
  double least = std::numeric_limits<double>::infinity();
  if (hull.size() < 3) {
    return best;
  }
  for (std::size_t i = 0; i < hull.size(); ++i) {
    const Point& a = hull[i];
    const Point& b = hull[(i + 1) % hull.size()];
    const double len = distance(a, b);
    const RotatedRect rect = rect_along(hull, {(b.x - a.x) / len, (b.y - a.y) / len});
    if (rect.width * rect.height < least) {
      least = rect.width * rect.height;
      best = rect;
    }
  }
  return best;
}

Quad corners_of(const RotatedRect& rect) {
  const Point along{rect.axis.x * rect.width / 2, rect.axis.y * rect.width / 2};
  const Point across{-rect.axis.y * rect.height / 2, rect.axis.x * rect.height / 2};
  const Point& c = rect.center;
  return upright({Point{c.x - along.x - across.x, c.y - along.y - across.y},
                  Point{c.x + along.x - across.x, c.y + along.y - across.y},
                  Point{c.x + along.x + across.x, c.y + along.y + across.y},
                  Point{c.x - along.x + across.x, c.y - along.y + across.y}});
}

Quad upright(Quad corners) {
  std::sort(corners.begin(), corners.end(),
            [](const Point& a, const Point& b) { return a.x < b.x || (a.x == b.x && a.y < b.y); });
  auto& [left, other_left, right, other_right] = corners;
  if (left.y > other_left.y) {
    std::swap(left, other_left);
  }
  if (right.y > other_right.y) {
    std::swap(right, other_right);
  }
  return {left, right, other_right, other_left};
}

Quad turned_left(const Quad& q) { return {q[1], q[2], q[3], q[0]}; }
Quad turned_round(const Quad& q) { return {q[2], q[3], q[0], q[1]}; }

}  // namespace ensconce
