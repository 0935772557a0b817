#include "experts/source.h"

#include "base/memory.h"

namespace issun::experts {

Result<std::unique_ptr<FileSource>> FileSource::open(std::span<const std::string> paths) {
  auto source = std::make_unique<FileSource>();
  for (const std::string& path : paths) source->files_.push_back(TRY(DirectFile::open(path)));
  return source;
}

Placement place(std::span<const Piece> pieces) {
  Placement placement;
  for (const Piece& piece : pieces) {
    const int64_t first = piece.offset / Source::kBlock * Source::kBlock;
    const int64_t end = round_up(piece.offset + piece.bytes, Source::kBlock);
    Extent* last = placement.extents.empty() ? nullptr : &placement.extents.back();
    const bool touches = last != nullptr && last->file == piece.file && first >= last->offset &&
                         first <= last->offset + last->bytes;
    if (touches) {
      last->bytes = std::max(last->bytes, end - last->offset);
    } else {
      placement.extents.push_back({piece.file, first, end - first, placement.bytes});
      last = &placement.extents.back();
    }
    placement.offsets.push_back(last->at + piece.offset - last->offset);
    placement.bytes = last->at + last->bytes;
  }
  return placement;
}

}  // namespace issun::experts
